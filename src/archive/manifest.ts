import { type Digest, parseDigest } from "../content/index.ts";
import { invalid } from "../errors/index.ts";
import {
  asArray,
  asObject,
  asSize,
  asString,
  asStrings,
  optionalString,
  optionalStringMap,
  parseJson,
} from "./json.ts";

export const MEDIA = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
} as const;

/** OCI image-spec, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly platform: { readonly os: string; readonly architecture: string } | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** OCI image-spec, manifest.md. */
export interface ImageManifest {
  readonly config: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
}

/** One image of a docker-archive's manifest.json. */
export interface DockerArchiveEntry {
  readonly config: string;
  readonly repoTags: readonly string[];
  /** Paths, base first. */
  readonly layers: readonly string[];
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  const object = asObject(value, what);
  const platform = object.platform === undefined ? undefined : asObject(object.platform, what);
  return {
    mediaType: optionalString(object.mediaType, what) ?? "",
    digest: parseDigest(asString(object.digest, `${what} digest`)),
    sizeBytes: asSize(object.size, `${what} size`),
    platform: platform && {
      os: optionalString(platform.os, what) ?? "",
      architecture: optionalString(platform.architecture, what) ?? "",
    },
    annotations: optionalStringMap(object.annotations, what) ?? {},
  };
}

/** An index (or Docker manifest list): what it points to. Throws invalid. */
export function parseIndex(bytes: Uint8Array): Descriptor[] {
  const object = asObject(parseJson(bytes, "image index"), "image index");
  return asArray(object.manifests, "image index").map((item) => parseDescriptor(item, "image index"));
}

export function parseImageManifest(bytes: Uint8Array): ImageManifest {
  const object = asObject(parseJson(bytes, "image manifest"), "image manifest");
  return {
    config: parseDescriptor(object.config, "image manifest"),
    layers: asArray(object.layers, "image manifest").map((item) => parseDescriptor(item, "image manifest")),
  };
}

/** manifest.json of `docker save`. Throws invalid. */
export function parseDockerArchive(bytes: Uint8Array): DockerArchiveEntry[] {
  const list = parseJson(bytes, "manifest.json");
  if (!Array.isArray(list)) throw invalid("invalid manifest.json: not a list");
  return list.map((item) => {
    const object = asObject(item, "manifest.json");
    return {
      config: asString(object.Config, "manifest.json Config"),
      repoTags: asStrings(object.RepoTags, "manifest.json RepoTags"),
      layers: asStrings(object.Layers, "manifest.json Layers"),
    };
  });
}

/**
 * The manifest of an image that came without one (a docker-archive, an import): the same bytes for the same image.
 */
export function formatImageManifest(
  config: { digest: Digest; sizeBytes: number },
  layers: readonly { mediaType: string; digest: Digest; sizeBytes: number }[],
): Buffer {
  const descriptor = (mediaType: string, blob: { digest: Digest; sizeBytes: number }) => ({
    mediaType,
    digest: blob.digest,
    size: blob.sizeBytes,
  });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      config: descriptor(MEDIA.config, config),
      layers: layers.map((layer) => descriptor(layer.mediaType, layer)),
    }),
  );
}
