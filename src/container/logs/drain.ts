import type { LogEncoder } from "./encoder.ts";
import type { LineBlocks } from "./line-blocks.ts";

const NEWLINE = 0x0a;

/** Encode all that there is to read now, leaving out the first `skipLines`. An unfinished line waits in `blocks`. */
export async function* drain(
  blocks: LineBlocks,
  encoder: LogEncoder,
  signal: AbortSignal,
  skipLines = 0,
): AsyncGenerator<Buffer, void, undefined> {
  let skip = skipLines;
  for (;;) {
    const block = await blocks.next();
    if (block === undefined || signal.aborted) return;
    let start = 0;
    for (; skip > 0 && start < block.length; skip--) start = block.indexOf(NEWLINE, start) + 1;
    const bytes = encoder.encode(block.subarray(start));
    if (bytes.length > 0) yield bytes;
    if (encoder.finished) return;
  }
}

/** The last line of a file that will not grow: an entry that only lacks its newline counts, a torn one does not. */
export function* finish(blocks: LineBlocks, encoder: LogEncoder): Generator<Buffer, void, undefined> {
  const bytes = encoder.encode(blocks.rest());
  if (bytes.length > 0) yield bytes;
}
