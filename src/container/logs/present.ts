import { drain, finish } from "./drain.ts";
import type { LogEncoder } from "./encoder.ts";
import { closeLogFiles, openLogFiles } from "./file-set.ts";
import { LineBlocks, readerOf } from "./line-blocks.ts";
import { findTail } from "./tail.ts";

/** What is in the log now. What is added meanwhile is not read, so that a busy container cannot hold the reader for ever. */
export async function* readPresent(
  options: { readonly file: string; readonly tail: number },
  encoder: LogEncoder,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const files = await openLogFiles(options.file);
  try {
    const start = await findTail(files, options.tail);
    let { skipBytes, skipLines } = start;
    for (const file of files.slice(start.index)) {
      using reader = readerOf(file, skipBytes, file.sizeBytes);
      const blocks = new LineBlocks(reader);
      yield* drain(blocks, encoder, signal, skipLines);
      if (encoder.finished || signal.aborted) return;
      yield* finish(blocks, encoder);
      skipBytes = 0;
      skipLines = 0;
    }
  } finally {
    await closeLogFiles(files);
  }
}
