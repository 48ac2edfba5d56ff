import { Readable } from "node:stream";
import {
  type BlobSource,
  formatImageManifest,
  MEDIA,
  saveImageArchive,
  type TarMember,
  writeTar,
} from "../../archive/index.ts";
import { digestOf } from "../../content/index.ts";
import { notFound } from "../../errors/index.ts";
import type { ImageConfig } from "../../wire/index.ts";

/** A built-in image as its parts. */
export interface BuiltinRecipe {
  /** Familiar name without tag. */
  readonly name: string;
  /** RFC 3339; part of the image's id. */
  readonly created: string;
  readonly config: ImageConfig;
  readonly files: readonly TarMember[];
  /** How the layer came to be, for `history`. */
  readonly createdBy: string;
}

/** The archive of an image with one uncompressed layer: the same bytes for the same recipe. */
export async function oneLayerArchive(recipe: BuiltinRecipe): Promise<Readable> {
  const layer = Buffer.concat(
    await Array.fromAsync(writeTar(recipe.files, Date.parse(recipe.created) / 1000)),
  );
  const diffId = digestOf(layer);
  const config = Buffer.from(
    JSON.stringify({
      created: recipe.created,
      architecture: "amd64",
      os: "linux",
      config: recipe.config,
      rootfs: { type: "layers", diff_ids: [diffId] },
      history: [{ created: recipe.created, created_by: recipe.createdBy }],
    }),
  );
  const layerBlob = { mediaType: MEDIA.layer, digest: diffId, sizeBytes: layer.length };
  const configDigest = digestOf(config);
  const manifest = formatImageManifest({ digest: configDigest, sizeBytes: config.length }, [layerBlob]);
  const name = {
    familiar: `${recipe.name}:latest`,
    full: `docker.io/library/${recipe.name}:latest`,
    familiarRepository: recipe.name,
    tag: "latest",
  };
  const image = {
    configDigest,
    manifest: { mediaType: MEDIA.manifest, digest: digestOf(manifest), bytes: manifest },
    layers: [{ diffId, ...layerBlob }],
    names: [name],
  };
  return saveImageArchive([image], inMemory([layer, config]));
}

function inMemory(blobs: readonly Buffer[]): BlobSource {
  const byDigest = new Map(blobs.map((bytes) => [digestOf(bytes), bytes]));
  return {
    async find(digest) {
      const bytes = byDigest.get(digest);
      return bytes === undefined ? undefined : { digest, sizeBytes: bytes.length, path: "" };
    },
    async open(digest) {
      const bytes = byDigest.get(digest);
      if (bytes === undefined) throw notFound(`content ${digest} is not here`);
      return Readable.from([bytes], { objectMode: false });
    },
  };
}
