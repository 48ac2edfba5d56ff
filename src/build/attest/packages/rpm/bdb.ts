import { invalid } from "../../../../errors/index.ts";

/**
 * The headers in a hash of Berkeley DB (its dbinc/db_page.h), rpm's database until 2020: pages of items in pairs of key and
 * value, where large values lie on chains of overflow pages. All pages are gone through in their order, and each overflow
 * page is taken at most once, so that the work is bounded by the file. Throws invalid for a file that does not hold together.
 */

const HASH_MAGIC = 0x061561;
const MAGIC_AT = 12;
const METADATA_BYTES = 72;
/** What every page begins with; the places of its items follow. */
const PAGE_HEADER_BYTES = 26;
const OVERFLOW_PAGE = 7;
const HASH_PAGES: readonly number[] = [2, 13];
/** Types of items: the bytes themselves, or where they lie. */
const INLINE = 1;
const OFF_PAGE = 3;
const OFF_PAGE_BYTES = 12;
/** Under this key is the highest number that was given out, and no package. */
const COUNTER_KEY = 0;

export function* readBdb(file: Buffer): Generator<Buffer> {
  const pages = new Pages(file);
  for (let number = 1; number < pages.count; number++) {
    const page = pages.at(number);
    if (!HASH_PAGES.includes(pages.typeOf(page))) continue;
    const items = pages.itemsOf(page);
    for (let at = 0; at + 1 < items.length; at += 2) {
      const [key, value] = [items[at], items[at + 1]];
      if (key === undefined || value === undefined || pages.isCounter(key)) continue;
      yield pages.valueOf(value);
    }
  }
}

class Pages {
  readonly count: number;
  readonly #file: Buffer;
  readonly #pageBytes: number;
  readonly #isBigEndian: boolean;
  readonly #seen = new Set<number>();

  constructor(file: Buffer) {
    const isLittle = file.length >= METADATA_BYTES && file.readUInt32LE(MAGIC_AT) === HASH_MAGIC;
    const isBig = file.length >= METADATA_BYTES && file.readUInt32BE(MAGIC_AT) === HASH_MAGIC;
    if (!isLittle && !isBig) throw invalid("this is no hash of Berkeley DB");
    this.#file = file;
    this.#isBigEndian = isBig;
    this.#pageBytes = this.#u32(file, 20);
    if (this.#pageBytes < 512 || this.#pageBytes > 65_536) throw invalid("the database has impossible pages");
    this.count = Math.floor(file.length / this.#pageBytes);
  }

  #u32(bytes: Buffer, at: number): number {
    return this.#isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }

  #u16(bytes: Buffer, at: number): number {
    return this.#isBigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);
  }

  at(number: number): Buffer {
    if (number >= this.count) throw invalid("the database has a page outside of the file");
    return this.#file.subarray(number * this.#pageBytes, (number + 1) * this.#pageBytes);
  }

  typeOf(page: Buffer): number {
    return page.readUInt8(25);
  }

  /** Items are put in from the end of the page on: each ends where the one before it begins. */
  itemsOf(page: Buffer): Buffer[] {
    const count = this.#u16(page, 20);
    if (PAGE_HEADER_BYTES + 2 * count > page.length) throw invalid("the database has more items than room");
    let end = page.length;
    return Array.from({ length: count }, (_, at) => {
      const begin = this.#u16(page, PAGE_HEADER_BYTES + 2 * at);
      if (begin < PAGE_HEADER_BYTES + 2 * count || begin >= end)
        throw invalid("the database has an item outside of its page");
      const item = page.subarray(begin, end);
      end = begin;
      return item;
    });
  }

  isCounter(key: Buffer): boolean {
    return key.length === 5 && key[0] === INLINE && this.#u32(key, 1) === COUNTER_KEY;
  }

  valueOf(item: Buffer): Buffer {
    if (item[0] === INLINE) return item.subarray(1);
    if (item[0] !== OFF_PAGE || item.length !== OFF_PAGE_BYTES)
      throw invalid("the database has a value of a kind that rpm does not write");
    const length = this.#u32(item, 8);
    const parts: Buffer[] = [];
    let left = length;
    for (let number = this.#u32(item, 4); number !== 0; ) {
      const page = this.at(number);
      if (this.typeOf(page) !== OVERFLOW_PAGE || this.#seen.has(number))
        throw invalid("the database has a value on a page of something else");
      this.#seen.add(number);
      const part = page.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + this.#u16(page, 22));
      parts.push(part);
      left -= part.length;
      number = this.#u32(page, 16);
    }
    if (left !== 0) throw invalid("the database has a value of another length than it says");
    return Buffer.concat(parts);
  }
}
