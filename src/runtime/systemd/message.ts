import { internal } from "../../errors/index.ts";
import { Reader, type Value, type Variant, Writer } from "./marshal.ts";

/** Header fields by their codes (D-Bus specification, message format). */
const FIELDS = {
  path: [1, "o"],
  interface: [2, "s"],
  member: [3, "s"],
  errorName: [4, "s"],
  replySerial: [5, "u"],
  destination: [6, "s"],
  signature: [8, "g"],
} as const satisfies Record<string, readonly [code: number, signature: string]>;

type FieldName = keyof typeof FIELDS;

export interface Call {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** Of the arguments. */
  readonly signature: string;
  readonly body: readonly Value[];
}

export interface Received {
  readonly type: "call" | "reply" | "error" | "signal";
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly errorName: string;
  /** Of the call that is answered; 0 for what answers none. */
  readonly replySerial: number;
  readonly body: readonly Value[];
}

const LITTLE_ENDIAN = "l".charCodeAt(0);
const METHOD_CALL = 1;
const TYPES = [undefined, "call", "reply", "error", "signal"] as const;
const VERSION = 1;
const HEADER = "yyyyuua(yv)";
/** Byte order, type, flags, version; the body's size; the serial; the size of the header fields. */
const FIXED_SIZE = 16;
/** The specification allows 128 MiB; nobody says so much here. */
const MAX_SIZE = 1 << 20;

export function encodeCall(call: Call, serial: number): Uint8Array {
  const body = new Writer();
  body.write(call.signature, call.body);
  const names: readonly FieldName[] = ["path", "interface", "member", "destination", "signature"];
  const fields = names
    .filter((name) => name !== "signature" || call.signature !== "")
    .map((name) => {
      const [code, signature] = FIELDS[name];
      return [code, { signature, value: String(call[name as keyof Call]) }];
    });
  const header = new Writer();
  header.write(HEADER, [LITTLE_ENDIAN, METHOD_CALL, 0, VERSION, body.length, serial, fields]);
  header.align(8);
  return Buffer.concat([header.bytes(), body.bytes()]);
}

/** Bytes of the whole message that begins here; undefined when too little of it is here to tell. Throws internal for none of ours. */
export function sizeOfMessage(bytes: Uint8Array): number | undefined {
  if (bytes.length < FIXED_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== LITTLE_ENDIAN || view.getUint8(3) !== VERSION)
    throw internal("D-Bus: a message in another byte order or version");
  const header = FIXED_SIZE + view.getUint32(12, true);
  const size = header + ((8 - (header % 8)) % 8) + view.getUint32(4, true);
  if (size > MAX_SIZE) throw internal("D-Bus: a message is larger than anything that is said here");
  return size;
}

export function decodeMessage(bytes: Uint8Array): Received {
  const reader = new Reader(bytes);
  const [, type, , , , , list] = reader.read(HEADER);
  reader.align(8);
  const fields = new Map((list as readonly [number, Variant][]).map(([code, { value }]) => [code, value]));
  const text = (name: FieldName) => String(fields.get(FIELDS[name][0]) ?? "");
  return {
    type: TYPES[Number(type)] ?? "call",
    path: text("path"),
    interface: text("interface"),
    member: text("member"),
    errorName: text("errorName"),
    replySerial: Number(fields.get(FIELDS.replySerial[0]) ?? 0),
    body: reader.read(text("signature")),
  };
}
