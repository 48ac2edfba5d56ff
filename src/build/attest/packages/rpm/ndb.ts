import { invalid } from "../../../../errors/index.ts";

/**
 * The headers in a database of rpm's own format (lib/backend/ndb): a table of slots at the beginning, each with the place of
 * a blob, in blocks of 16 bytes; all numbers little-endian. Throws invalid for a file that does not hold together.
 */

const PAGE_BYTES = 4096;
const SLOT_BYTES = 16;
/** A blob begins and ends on such a boundary. */
const BLOCK_BYTES = 16;
/** The file's own header takes the place of the first two slots. */
const HEADER_SLOTS = 2;
const FILE_MAGIC = "RpmP";
const SLOT_MAGIC = "Slot";
const BLOB_MAGIC = "BlbS";

export function* readNdb(file: Buffer): Generator<Buffer> {
  const magicAt = (at: number) => file.toString("latin1", at, at + 4);
  if (file.length < PAGE_BYTES || magicAt(0) !== FILE_MAGIC) throw invalid("this is no ndb database");
  const slotsEnd = file.readUInt32LE(12) * PAGE_BYTES;
  if (slotsEnd > file.length) throw invalid("the database has slots outside of the file");
  // What lies in two slots at once would be work without bounds.
  let left = file.length;
  for (let at = HEADER_SLOTS * SLOT_BYTES; at < slotsEnd; at += SLOT_BYTES) {
    if (magicAt(at) !== SLOT_MAGIC) throw invalid("the database has a broken slot");
    const [index, block] = [file.readUInt32LE(at + 4), file.readUInt32LE(at + 8)];
    // A slot that is free.
    if (index === 0) continue;
    const blobAt = block * BLOCK_BYTES;
    if (
      blobAt + 16 > file.length ||
      magicAt(blobAt) !== BLOB_MAGIC ||
      file.readUInt32LE(blobAt + 4) !== index
    )
      throw invalid("the database has a slot without its package");
    const length = file.readUInt32LE(blobAt + 12);
    left -= length;
    if (blobAt + 16 + length > file.length || left < 0)
      throw invalid("the database has a package larger than itself");
    yield file.subarray(blobAt + 16, blobAt + 16 + length);
  }
}
