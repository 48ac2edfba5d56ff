import { Readable } from "node:stream";
import type { Digest, Ingest } from "../content/index.ts";
import type { EngineError } from "../errors/index.ts";
import type { LayerDraft, Snapshotter } from "../snapshot/index.ts";
import { TAR_BLOCK } from "./tar-header.ts";
import { type Kept, type Unpacked, unpackAndKeep } from "./unpack.ts";

/** Where layers are unpacked before anybody knows whether an image has them. */
export interface EarlyPlace {
  /** The native helper. */
  readonly shim: string;
  readonly snapshotter: Pick<Snapshotter, "prepareLayer" | "discard">;
  /** Whether a plain layer of so many bytes is here already: then this is it in all likelihood, and need not be unpacked. */
  isKnown(sizeBytes: number): boolean;
}

/** A layer that was unpacked while its archive arrived. Who takes the draft owns it; what nobody takes is discarded. */
export interface EarlyLayer {
  readonly draft: LayerDraft;
  /** A failure only counts for an image that has this layer. */
  readonly unpacked: Unpacked | "needs-parents" | EngineError;
}

/** Whether the first block of a file makes it a tar (POSIX ustar and GNU: "ustar" at byte 257). */
export function looksLikeTar(head: Uint8Array): boolean {
  return head.length >= TAR_BLOCK && Buffer.from(head.subarray(257, 262)).toString("latin1") === "ustar";
}

interface Arrived {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly layer: EarlyLayer;
}

/**
 * Unpack a plain layer while its bytes come, which the helper also hashes and writes into the ingest. `taken` resolves
 * when it needs no more of them, `unpacked` when it is done, with what the blob turned out to be; it rejects with what
 * unpackAndKeep throws. The draft knows nothing of the layers below.
 */
export function unpackEarly(
  place: EarlyPlace,
  ingest: Ingest,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): { readonly taken: Promise<unknown>; readonly unpacked: Promise<Arrived> } {
  const end = Promise.withResolvers<void>();
  async function* untilEnd() {
    try {
      yield* chunks;
    } finally {
      end.resolve();
    }
  }
  const unpacked = unpack(place, ingest, untilEnd(), signal);
  // A helper that ends before the first byte leaves the generator unstarted.
  return { taken: Promise.race([end.promise, unpacked.catch(() => undefined)]), unpacked };
}

async function unpack(
  { shim, snapshotter }: EarlyPlace,
  ingest: Ingest,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Arrived> {
  const draft = await snapshotter.prepareLayer(undefined);
  try {
    const layer = { stream: Readable.from(chunks, { objectMode: false, highWaterMark: 1 << 20 }) };
    const request = { shim, layer, folder: draft.folder, lower: "unknown" as const, tarPath: ingest.path };
    const { digest, sizeBytes, unpacked }: Kept = await unpackAndKeep(request, signal);
    await ingest.sealWritten(digest, sizeBytes);
    return { digest, sizeBytes, layer: { draft, unpacked } };
  } catch (error) {
    await snapshotter.discard(draft);
    throw error;
  }
}
