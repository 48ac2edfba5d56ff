import { isDigest } from "../../content/index.ts";
import { EngineError } from "../../errors/index.ts";
import { parseManifest } from "../../registry/index.ts";
import type { ImageContext } from "../context.ts";
import type { ImageRecord } from "../table.ts";

/** An index that an image came with. */
export interface LocalIndex {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string }[];
}

const MAX_INDEX_BYTES = 8 << 20;
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

/** The index of which the image was pulled, as long as it is the image's own manifest that it lists. */
export async function findIndex(context: ImageContext, image: ImageRecord): Promise<LocalIndex | undefined> {
  for (const { digest } of image.digests) {
    if (digest === image.manifestDigest || !isDigest(digest)) continue;
    const index = await readIndex(context, digest);
    if (index?.manifests.some((entry) => entry.digest === image.manifestDigest) === true) return index;
  }
  return undefined;
}

async function readIndex(context: ImageContext, digest: `sha256:${string}`): Promise<LocalIndex | undefined> {
  if ((await context.content.find(digest)) === undefined) return undefined;
  const bytes = await context.content.read(digest, MAX_INDEX_BYTES);
  try {
    const parsed = parseManifest(bytes, "");
    if (parsed.kind !== "index") return undefined;
    const { mediaType }: { mediaType?: unknown } = JSON.parse(bytes.toString("utf8"));
    return {
      digest,
      bytes,
      mediaType: typeof mediaType === "string" ? mediaType : OCI_INDEX,
      manifests: parsed.manifests,
    };
  } catch (error) {
    // Something else by that digest: no index to push.
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}
