import { Readable } from "node:stream";
import { readBlob } from "../../blob-stream.ts";
import type { RetryPolicy } from "../../retry.ts";
import type { BlobDigest } from "../names.ts";

/**
 * A blob's bytes from upstream's first answer on; when its connection breaks, those of further answers, which `ask` gets
 * for a range. Never more than `sizeBytes`. Throws unavailable when nothing more comes.
 */
export function blobBody(
  first: Response,
  { digest, sizeBytes }: { readonly digest: BlobDigest; readonly sizeBytes: number },
  ask: (headers: Readonly<Record<string, string>>) => Promise<Response>,
  retry: RetryPolicy,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let next: Response | undefined = first;
  return readBlob({
    descriptor: { mediaType: "application/octet-stream", digest, size: sizeBytes },
    offset: 0,
    retry,
    signal,
    async open(headers) {
      const answer = next ?? (await ask(headers));
      next = undefined;
      return {
        url: new URL(answer.url),
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body),
      };
    },
  });
}
