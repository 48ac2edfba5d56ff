import { invalid } from "../../../../errors/index.ts";

/**
 * The rows of one table of an SQLite database, without SQLite: a database from an image may hold views and triggers that
 * run for as long as they like. Pages are read as the file format tells (sqlite.org/fileformat.html), each at most once, so
 * that the work is bounded by the file. What stands in a write-ahead log beside it is not seen.
 */

const MAGIC = "SQLite format 3\0";
const FILE_HEADER_BYTES = 100;
const LEAF = 0x0d;
const INTERIOR = 0x05;

/** A column's value; texts are bytes as well, numbers with a fraction are left out. */
type Value = Buffer | bigint | undefined;

/** The records of a table by its name, in the order of their row ids. Throws invalid for a file that does not hold together. */
export function* readTable(file: Buffer, table: string): Generator<readonly Value[]> {
  const pages = new Pages(file);
  for (const [type, name, , root] of pages.records(1)) {
    if (String(type) !== "table" || String(name) !== table || typeof root !== "bigint") continue;
    yield* pages.records(Number(root));
    return;
  }
  throw invalid(`the database has no table ${table}`);
}

class Pages {
  readonly #file: Buffer;
  readonly #pageBytes: number;
  /** Without what an extension may have reserved at the end of each page. */
  readonly #usableBytes: number;
  readonly #seen = new Set<number>();

  constructor(file: Buffer) {
    if (file.length < FILE_HEADER_BYTES || file.toString("latin1", 0, MAGIC.length) !== MAGIC)
      throw invalid("this is no SQLite database");
    const pageBytes = file.readUInt16BE(16);
    this.#file = file;
    this.#pageBytes = pageBytes === 1 ? 65_536 : pageBytes;
    this.#usableBytes = this.#pageBytes - file.readUInt8(20);
    if (this.#pageBytes < 512 || this.#usableBytes < 480) throw invalid("the database has impossible pages");
  }

  *records(root: number): Generator<readonly Value[]> {
    // The pages that are still to be read, the next one last.
    const waiting = [root];
    for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
      const page = this.#page(number);
      const at = number === 1 ? FILE_HEADER_BYTES : 0;
      const kind = page.readUInt8(at);
      if (kind !== LEAF && kind !== INTERIOR) throw invalid("the database has a page that is no table's");
      const pointersAt = at + (kind === LEAF ? 8 : 12);
      const count = page.readUInt16BE(at + 3);
      if (pointersAt + 2 * count > page.length) throw invalid("the database has a page with too many cells");
      const cells = Array.from({ length: count }, (_, cell) => page.readUInt16BE(pointersAt + 2 * cell));
      if (kind === LEAF) for (const cell of cells) yield parseRecord(this.#payload(page, cell));
      else {
        const children = cells.map((cell) => number32(page, cell));
        waiting.push(page.readUInt32BE(at + 8), ...children.reverse());
      }
    }
  }

  #page(number: number): Buffer {
    const end = number * this.#pageBytes;
    if (number < 1 || end > this.#file.length) throw invalid("the database has a page outside of the file");
    if (this.#seen.has(number)) throw invalid("the database has a page in two places");
    this.#seen.add(number);
    return this.#file.subarray(end - this.#pageBytes, end - this.#pageBytes + this.#usableBytes);
  }

  /** A leaf's cell: the length of its record, the row id, the record's beginning, and the page where it goes on. */
  #payload(page: Buffer, cell: number): Buffer {
    const [length, afterLength] = varint(page, cell);
    const [, start] = varint(page, afterLength);
    const total = Number(length);
    if (total > this.#file.length) throw invalid("the database has a record larger than itself");
    const local = this.#localBytes(total);
    if (start + local > page.length) throw invalid("the database has a record outside of its page");
    const parts = [page.subarray(start, start + local)];
    let missing = total - local;
    for (let next = missing > 0 ? number32(page, start + local) : 0; missing > 0; ) {
      const overflow = this.#page(next);
      const part = overflow.subarray(4, 4 + missing);
      parts.push(part);
      missing -= part.length;
      next = overflow.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }

  /** How much of a record its leaf holds ("Cell payload overflow pages"). */
  #localBytes(total: number): number {
    const usable = this.#usableBytes;
    const most = usable - 35;
    if (total <= most) return total;
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const fitting = least + ((total - least) % (usable - 4));
    return fitting <= most ? fitting : least;
  }
}

function number32(page: Buffer, at: number): number {
  if (at + 4 > page.length) throw invalid("the database has a number outside of its page");
  return page.readUInt32BE(at);
}

/** A number of one to nine bytes, and the place behind it. */
function varint(bytes: Buffer, at: number): [value: bigint, next: number] {
  let value = 0n;
  for (let length = 1; length <= 9; length++) {
    const byte = bytes[at + length - 1];
    if (byte === undefined) throw invalid("the database has a number outside of its page");
    if (length === 9) return [(value << 8n) | BigInt(byte), at + 9];
    value = (value << 7n) | BigInt(byte & 0x7f);
    if (byte < 0x80) return [value, at + length];
  }
  throw invalid("the database has a number without an end");
}

/** Sizes of the values that are numbers, by their serial types. */
const NUMBER_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
const FRACTION = 7;

function parseRecord(record: Buffer): Value[] {
  const [headerBytes, first] = varint(record, 0);
  if (headerBytes > BigInt(record.length)) throw invalid("the database has a record of nothing but a header");
  const values: Value[] = [];
  let valueAt = Number(headerBytes);
  for (let at = first; at < Number(headerBytes); ) {
    const [type, next] = varint(record, at);
    at = next;
    const size = type < 12n ? NUMBER_BYTES[Number(type)] : Number((type - 12n) / 2n);
    if (size === undefined || valueAt + size > record.length)
      throw invalid("the database has a value outside of its record");
    const bytes = record.subarray(valueAt, valueAt + size);
    valueAt += size;
    if (type >= 12n) values.push(bytes);
    else if (type === 8n || type === 9n) values.push(type - 8n);
    else values.push(size === 0 || Number(type) === FRACTION ? undefined : signed(bytes));
  }
  return values;
}

const signed = (bytes: Buffer): bigint =>
  BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString("hex")}`));
