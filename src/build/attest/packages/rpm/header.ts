import { invalid } from "../../../../errors/index.ts";

/** What of a package's header is told of it. Texts that it does not have are "". */
export interface RpmHeader {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly epoch: number | undefined;
  readonly architecture: string;
  readonly license: string;
}

/** Tags and types of rpm's format manual, "Package format", section "Header". */
const NAME = 1000;
const VERSION = 1001;
const RELEASE = 1002;
const EPOCH = 1003;
const LICENSE = 1014;
const ARCHITECTURE = 1022;
const INT32 = 4;
const STRING = 6;
const I18N_STRING = 9;

/** Of the two counts in front, and of an entry of the index: tag, type, offset, count. */
const COUNTS_BYTES = 8;
const ENTRY_BYTES = 16;
/** As many entries as rpm itself allows. */
const MAX_ENTRIES = 0xffff;

/**
 * A header as rpm's databases keep it: the numbers of index entries and of data bytes, the index, the data; all big-endian.
 * Throws invalid for one that does not hold together.
 */
export function parseRpmHeader(blob: Buffer): RpmHeader {
  if (blob.length < COUNTS_BYTES) throw invalid("an rpm header is cut short");
  const entries = blob.readUInt32BE(0);
  const dataAt = COUNTS_BYTES + entries * ENTRY_BYTES;
  if (entries > MAX_ENTRIES || dataAt + blob.readUInt32BE(4) > blob.length)
    throw invalid("an rpm header is larger than its record");
  const data = blob.subarray(dataAt, dataAt + blob.readUInt32BE(4));
  const texts = new Map<number, string>();
  let epoch: number | undefined;
  for (let at = COUNTS_BYTES; at < dataAt; at += ENTRY_BYTES) {
    const [tag, type, offset] = [blob.readUInt32BE(at), blob.readUInt32BE(at + 4), blob.readUInt32BE(at + 8)];
    if (WANTED.has(tag) && (type === STRING || type === I18N_STRING)) texts.set(tag, textAt(data, offset));
    if (tag !== EPOCH || type !== INT32) continue;
    if (offset + 4 > data.length) throw invalid("an rpm header has a value outside of its data");
    epoch = data.readUInt32BE(offset);
  }
  const text = (tag: number) => texts.get(tag) ?? "";
  return {
    name: text(NAME),
    version: text(VERSION),
    release: text(RELEASE),
    epoch,
    architecture: text(ARCHITECTURE),
    license: text(LICENSE),
  };
}

const WANTED: ReadonlySet<number> = new Set([NAME, VERSION, RELEASE, LICENSE, ARCHITECTURE]);

/** Up to the zero byte; of a text in several languages the first. */
function textAt(data: Buffer, offset: number): string {
  const end = data.indexOf(0, offset);
  if (offset >= data.length || end < 0) throw invalid("an rpm header has a text outside of its data");
  return data.toString("utf8", offset, end);
}
