/** Building blocks of netlink messages (netlink(7), rtnetlink(7)): native byte order, everything aligned to four bytes. */

const ALIGNMENT = 4;
const HEADER_BYTES = 16;

export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const align = (length: number): number => (length + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

/** One attribute: length, type, value, padding. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(align(4 + value.byteLength));
  bytes.writeUInt16LE(4 + value.byteLength, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

export const nested = (type: number, ...parts: Uint8Array[]): Buffer => attribute(type, Buffer.concat(parts));

const NLA_F_NESTED = 0x8000;
/** The same with the flag that newer parts of the kernel ask for (nf_tables, bridge ports). */
export const flaggedNest = (type: number, ...parts: Uint8Array[]): Buffer =>
  nested(type | NLA_F_NESTED, ...parts);

export const u8 = (value: number): Buffer => Buffer.from([value]);

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

/** Network byte order, as nf_tables has its numbers. */
export function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** A text with its terminating NUL. */
export const text = (value: string): Buffer => Buffer.from(`${value}\0`, "utf8");

/** A whole message, padded so that another may follow. Sequence number and port are the sender's to fill in. */
export function message(type: number, flags: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const bytes = Buffer.alloc(align(HEADER_BYTES + body.length));
  bytes.writeUInt32LE(HEADER_BYTES + body.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}
