import { open } from "node:fs/promises";
import { constants, gunzipSync, zstdDecompressSync } from "node:zlib";
import { detectCompression } from "../../archive/index.ts";

const HEAD_BYTES = 1 << 16;
const BLOCK = 512;

/** Whether a file is a tar, plain or compressed, by its content. */
export async function isArchive(path: Buffer): Promise<boolean> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  const head = buffer.subarray(0, bytesRead);
  switch (detectCompression(head)) {
    case "none":
      return isTarHeader(head);
    case "gzip":
      return isTarHeader(beginning(() => gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH })));
    case "zstd":
      return isTarHeader(beginning(() => zstdDecompressSync(head, { finishFlush: constants.ZSTD_e_flush })));
    default:
      // What is in these cannot be seen from here; nobody adds them for another reason.
      return true;
  }
}

function beginning(decompress: () => Buffer): Buffer {
  try {
    return decompress();
  } catch {
    return Buffer.alloc(0);
  }
}

/** The checksum of a header (POSIX.1-2017 pax(1)): the sum of its bytes, its own field counted as blanks. */
function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK) return false;
  const stated = Number.parseInt(block.toString("latin1", 148, 156).replace(/[\0 ].*$/s, ""), 8);
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  return sum === stated && sum > 8 * 0x20;
}
