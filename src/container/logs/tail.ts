import type { OpenLogFile } from "./file-set.ts";
import { LineBlocks, readCompressed } from "./line-blocks.ts";

const STEP_BYTES = 1 << 16;
const NEWLINE = 0x0a;

/** Where reading begins: `skipBytes` into `files[index]` of a plain file, `skipLines` for a compressed one. */
export interface Start {
  readonly index: number;
  readonly skipBytes: number;
  readonly skipLines: number;
}

/** The start of the last `count` lines of a log whose files are given oldest first. -1 = all. Reads no more than it must. */
export async function findTail(files: readonly OpenLogFile[], count: number): Promise<Start> {
  if (count < 0) return { index: 0, skipBytes: 0, skipLines: 0 };
  let wanted = count;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (file === undefined) break;
    if (file.compressed) {
      const lines = await countLines(file);
      if (lines >= wanted) return { index, skipBytes: 0, skipLines: lines - wanted };
      wanted -= lines;
    } else {
      const { lines, position } = await findFromEnd(file, wanted);
      if (position !== undefined) return { index, skipBytes: position, skipLines: 0 };
      wanted -= lines;
    }
  }
  return { index: 0, skipBytes: 0, skipLines: 0 };
}

/** Backwards over a file: where its last `wanted` lines begin, or how many whole lines it has when they are fewer. */
async function findFromEnd(
  { handle, sizeBytes }: OpenLogFile,
  wanted: number,
): Promise<{ lines: number; position?: number }> {
  const buffer = Buffer.allocUnsafe(Math.min(STEP_BYTES, Math.max(sizeBytes, 1)));
  let newlines = 0;
  let end = sizeBytes;
  while (end > 0) {
    const start = Math.max(0, end - buffer.length);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    for (let at = lastNewline(buffer, bytesRead); at !== -1; at = lastNewline(buffer, at)) {
      // The newline before the first wanted line; what follows the last newline is a line still being written.
      if (newlines === wanted) return { lines: wanted, position: start + at + 1 };
      newlines++;
    }
    end = start;
  }
  return newlines === wanted ? { lines: newlines, position: 0 } : { lines: newlines };
}

const lastNewline = (buffer: Buffer, end: number) => (end === 0 ? -1 : buffer.lastIndexOf(NEWLINE, end - 1));

async function countLines(file: OpenLogFile): Promise<number> {
  using reader = readCompressed(file);
  const blocks = new LineBlocks(reader);
  let lines = 0;
  for (let block = await blocks.next(); block !== undefined; block = await blocks.next()) {
    for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) lines++;
  }
  return lines;
}
