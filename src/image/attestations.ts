import { MEDIA } from "../archive/index.ts";
import { type Digest, digestOf } from "../content/index.ts";
import { familiarString, parseReference } from "../reference/index.ts";
import type { Attestation } from "./attestation.ts";
import type { ImageContext } from "./context.ts";
import type { Lease } from "./leases.ts";
import { findImage } from "./lookup.ts";
import { withCompressedLayers } from "./push/compress-layers.ts";
import type { ImageRecord } from "./table.ts";

const ATTESTATION = "application/vnd.docker.attestation.manifest.v1+json";
const IN_TOTO = "application/vnd.in-toto+json";
const EMPTY = "application/vnd.oci.empty.v1+json";

/**
 * Say something of an image: each predicate becomes an in-toto statement about its manifest (in-toto attestation v1), all of
 * them the layers of one artifact. It takes the place of what was said before. The image's layers are compressed first, so
 * that the manifest is the one that a registry gets.
 */
export async function attestImage(
  context: ImageContext,
  id: string,
  predicates: readonly { readonly type: string; readonly predicate: object }[],
  names: readonly string[],
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { image: found } = findImage(context, id);
  const image = await withCompressedLayers(context, found, lease, signal);
  const manifestBytes = (await context.content.find(image.manifestDigest))?.sizeBytes ?? 0;
  const hex = image.manifestDigest.slice("sha256:".length);
  const { os, architecture } = image.document;
  const purls = names.map((name) => {
    const [repository = "", tag = "latest"] = familiarString(parseReference(name)).split(/:(?=[^:/]*$)/);
    return `pkg:docker/${repository}@${tag}?platform=${encodeURIComponent(`${os}/${architecture}`)}`;
  });
  const subject = (purls.length === 0 ? [image.id] : purls).map((name) => ({
    name,
    digest: { sha256: hex },
  }));
  const keep = async (bytes: Buffer): Promise<Digest> => {
    lease.add(digestOf(bytes));
    return (await context.content.put(bytes)).digest;
  };
  const config = Buffer.from("{}");
  const blobs: Digest[] = [await keep(config)];
  const layers: object[] = [];
  for (const { type: predicateType, predicate } of predicates) {
    const statement = { _type: "https://in-toto.io/Statement/v1", subject, predicateType, predicate };
    const bytes = Buffer.from(JSON.stringify(statement));
    const digest = await keep(bytes);
    blobs.push(digest);
    const annotations = { "in-toto.io/predicate-type": predicateType };
    layers.push({ mediaType: IN_TOTO, digest, size: bytes.length, annotations });
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      artifactType: ATTESTATION,
      config: { mediaType: EMPTY, digest: digestOf(config), size: config.length },
      layers,
      subject: { mediaType: MEDIA.manifest, digest: image.manifestDigest, size: manifestBytes },
    }),
  );
  const digest = await keep(manifest);
  const attestation = { manifest: digest, manifestBytes: manifest.length, blobs };
  context.store.transaction(() => context.table.setAttestation(image.id, attestation));
}

/** The index of an image and what is said of it, in BuildKit's form (attestation-storage.md): for readers that know no referrers. */
export function attestedIndex(image: ImageRecord, manifestBytes: number, attestation: Attestation): Buffer {
  const { os, architecture, variant } = image.document;
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.index,
      manifests: [
        {
          mediaType: MEDIA.manifest,
          digest: image.manifestDigest,
          size: manifestBytes,
          platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
        },
        {
          mediaType: MEDIA.manifest,
          digest: attestation.manifest,
          size: attestation.manifestBytes,
          annotations: {
            "vnd.docker.reference.digest": image.manifestDigest,
            "vnd.docker.reference.type": "attestation-manifest",
          },
          platform: { architecture: "unknown", os: "unknown" },
          artifactType: ATTESTATION,
        },
      ],
    }),
  );
}
