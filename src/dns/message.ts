import { type IpAddress, ipBytes } from "../units/index.ts";

/** The wire format of DNS (RFC 1035, EDNS of RFC 6891), as far as a name server of a network needs it. */

export const TYPE = { A: 1, PTR: 12, MX: 15, AAAA: 28, OPT: 41 } as const;
export const CLASS_IN = 1;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE_MASK = 0x7800;
/** What a client without EDNS takes over UDP. */
const PLAIN_UDP_BYTES = 512;
const MAX_NAME_BYTES = 255;

export interface Question {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  /** Without the final dot; in the client's own spelling. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Name, type and class as they came. */
  readonly bytes: Buffer;
  /** Bytes that the client takes over UDP. */
  readonly udpBytes: number;
  readonly hasEdns: boolean;
}

/** Read a question. Undefined for what is none, or not exactly one: there is nobody to answer, or nothing to say. */
export function parseQuestion(message: Buffer): Question | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const name = readName(message, HEADER_BYTES);
  if (name === undefined || name.end + 4 > message.length) return undefined;
  const udpBytes = ednsSize(message, name.end + 4);
  return {
    id: message.readUInt16BE(0),
    opcode: (flags & OPCODE_MASK) >> 11,
    recursionDesired: (flags & FLAG_RECURSION_DESIRED) !== 0,
    name: name.text,
    type: message.readUInt16BE(name.end),
    class: message.readUInt16BE(name.end + 2),
    bytes: message.subarray(HEADER_BYTES, name.end + 4),
    udpBytes: Math.max(udpBytes ?? 0, PLAIN_UDP_BYTES),
    hasEdns: udpBytes !== undefined,
  };
}

/** The name of a question: labels only, since there is nothing before it that a pointer could lead to. */
function readName(message: Buffer, start: number): { text: string; end: number } | undefined {
  const labels: string[] = [];
  for (let at = start; at < message.length; ) {
    const length = message[at] ?? 0;
    if (length === 0) return { text: labels.join("."), end: at + 1 };
    if (length > 63 || at + 1 + length > message.length || at + 1 + length - start > MAX_NAME_BYTES)
      return undefined;
    const label = message.toString("latin1", at + 1, at + 1 + length);
    // A dot inside of a label would make two names look the same.
    if (label.includes(".")) return undefined;
    labels.push(label);
    at += 1 + length;
  }
  return undefined;
}

/** The size in the OPT record, where that is the only further record: as clients send it. */
function ednsSize(message: Buffer, at: number): number | undefined {
  if (message.readUInt16BE(6) + message.readUInt16BE(8) !== 0 || message.readUInt16BE(10) === 0)
    return undefined;
  if (at + 11 > message.length || message[at] !== 0 || message.readUInt16BE(at + 1) !== TYPE.OPT)
    return undefined;
  return message.readUInt16BE(at + 3);
}

/** One record of an answer; its name is the question's. */
export type AnswerRecord =
  | { readonly type: typeof TYPE.A | typeof TYPE.AAAA; readonly address: IpAddress }
  | { readonly type: typeof TYPE.PTR; readonly name: string };

export interface Answer {
  readonly rcode: number;
  readonly records: readonly AnswerRecord[];
  /** From the engine's own knowledge. */
  readonly authoritative: boolean;
}

/** Seconds for which an answer may be kept, as Docker has it. */
const TTL_SECONDS = 600;

/** The message of an answer, with as many records as fit into `maxBytes`; when some do not, it says so. */
export function encodeAnswer(question: Question, answer: Answer, maxBytes: number): Buffer {
  const opt = question.hasEdns ? Buffer.from([0, 0, TYPE.OPT, 0x10, 0, 0, 0, 0, 0, 0, 0]) : Buffer.alloc(0);
  const records: Buffer[] = [];
  let size = HEADER_BYTES + question.bytes.length + opt.length;
  let truncated = false;
  for (const record of answer.records.map(encodeRecord)) {
    if (size + record.length > maxBytes) {
      truncated = true;
      break;
    }
    size += record.length;
    records.push(record);
  }
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(question.id, 0);
  header.writeUInt16BE(
    FLAG_RESPONSE |
      (question.opcode << 11) |
      (answer.authoritative ? FLAG_AUTHORITATIVE : 0) |
      (truncated ? FLAG_TRUNCATED : 0) |
      (question.recursionDesired ? FLAG_RECURSION_DESIRED : 0) |
      FLAG_RECURSION_AVAILABLE |
      answer.rcode,
    2,
  );
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt16BE(question.hasEdns ? 1 : 0, 10);
  return Buffer.concat([header, question.bytes, ...records, opt]);
}

function encodeRecord(record: AnswerRecord): Buffer {
  const data = record.type === TYPE.PTR ? encodeName(record.name) : ipBytes(record.address);
  const head = Buffer.alloc(12);
  // A pointer to the question's name.
  head.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  head.writeUInt16BE(record.type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(TTL_SECONDS, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Labels behind their lengths. Labels that are too long are cut: they are names of our own making. */
export function encodeName(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => {
      const bytes = Buffer.from(label, "latin1").subarray(0, 63);
      return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    }),
    Buffer.from([0]),
  ]);
}

/** What a forwarder has to know of a message that came back. */
export function describeReply(
  message: Buffer,
): { id: number; rcode: number; truncated: boolean } | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) === 0) return undefined;
  return { id: message.readUInt16BE(0), rcode: flags & 0xf, truncated: (flags & FLAG_TRUNCATED) !== 0 };
}

/** Does a message repeat this question? Servers may change the case of its letters. */
export function answersQuestion(message: Buffer, question: Question): boolean {
  if (message.length < HEADER_BYTES + question.bytes.length || message.readUInt16BE(4) !== 1) return false;
  const echoed = message.subarray(HEADER_BYTES, HEADER_BYTES + question.bytes.length);
  return echoed.toString("latin1").toLowerCase() === question.bytes.toString("latin1").toLowerCase();
}

/** A reply that is too large for the client's UDP: its head and question, marked as truncated. */
export function truncateReply(message: Buffer, question: Question): Buffer {
  const cut = Buffer.from(message.subarray(0, HEADER_BYTES + question.bytes.length));
  cut.writeUInt16BE(cut.readUInt16BE(2) | FLAG_TRUNCATED, 2);
  for (const count of [6, 8, 10]) cut.writeUInt16BE(0, count);
  return cut;
}

/** The address that a name below in-addr.arpa or ip6.arpa stands for (RFC 1035 3.5, RFC 3596 2.5). */
export function reverseAddress(name: string): IpAddress | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/i.exec(name);
  if (four !== null) {
    const parts = four.slice(1).reverse().map(Number);
    if (parts.some((part) => part > 255)) return undefined;
    return { family: 4, value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n) };
  }
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/i.exec(name)?.[1];
  if (six === undefined) return undefined;
  return { family: 6, value: BigInt(`0x${six.split(".").reverse().join("")}`) };
}
