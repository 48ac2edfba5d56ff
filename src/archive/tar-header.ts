import { invalid } from "../errors/index.ts";

/**
 * One 512-byte header of ustar and GNU tar (POSIX.1-2017 pax(1), "ustar Interchange Format"; GNU tar manual, "Basic
 * Tar Format"). Names are latin1 strings here: one character per byte, so that any name survives.
 */
export interface TarHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** "0" file, "1" hard link, "2" symlink, "5" folder, "x" pax, "L" GNU long name, … */
  readonly type: string;
  readonly linkName: string;
}

export const TAR_BLOCK = 512;

/** undefined for the all-zero block that ends an archive. Throws invalid "invalid tar header". */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  let sum = 0;
  for (let at = 0; at < TAR_BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  if (sum !== number(block, 148, 8)) throw invalid("invalid tar header");
  const isUstar = text(block, 257, 6) === "ustar" && block[262] === 0;
  const prefix = isUstar ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const sizeBytes = number(block, 124, 12);
  if (sizeBytes < 0) throw invalid("invalid tar header: negative size");
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    sizeBytes,
    mtime: number(block, 136, 12),
    type: block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0x30),
    linkName: text(block, 157, 100),
  };
}

function text(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString("latin1");
}

/** Octal digits, or base-256 when the first bit is set. Numbers that a double cannot hold exactly are refused. */
function number(block: Uint8Array, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) return base256(block.subarray(offset, offset + length));
  const digits = text(block, offset, length).trim();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw invalid("invalid tar header");
  return Number.parseInt(digits, 8);
}

function base256(field: Uint8Array): number {
  let sum = 0n;
  for (const [at, byte] of field.entries()) sum = (sum << 8n) | BigInt(at === 0 ? byte & 0x7f : byte);
  const signed = BigInt.asIntN(field.length * 8 - 1, sum);
  if (signed > BigInt(Number.MAX_SAFE_INTEGER) || signed < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw invalid("invalid tar header: absurd number");
  }
  return Number(signed);
}

/** The 512 bytes of a ustar header; a size of 8 GiB or more goes as base-256. Throws invalid for a name over 100 bytes. */
export function formatTarHeader(header: TarHeader): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  if (Buffer.byteLength(header.name, "latin1") > 100 || Buffer.byteLength(header.linkName, "latin1") > 100) {
    throw invalid(`name too long for a tar header: ${header.name}`);
  }
  block.write(header.name, 0, "latin1");
  writeNumber(block, header.mode, 100, 8);
  writeNumber(block, header.uid, 108, 8);
  writeNumber(block, header.gid, 116, 8);
  writeNumber(block, header.sizeBytes, 124, 12);
  writeNumber(block, header.mtime, 136, 12);
  block.write(header.type, 156, 1, "latin1");
  block.write(header.linkName, 157, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function writeNumber(block: Buffer, value: number, offset: number, length: number): void {
  const digits = value.toString(8);
  if (value >= 0 && digits.length < length) {
    block.write(digits.padStart(length - 1, "0"), offset, "latin1");
    return;
  }
  let rest = BigInt(value);
  for (let at = offset + length - 1; at > offset; at--) {
    block[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] = value < 0 ? 0xff : 0x80;
}
