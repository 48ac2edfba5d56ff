import { internal } from "../../errors/index.ts";

/** A value that carries its own type. */
export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

/**
 * What D-Bus types are here: y, u numbers; t bigint; b boolean; s, o, g string; v Variant; arrays and structures lists.
 * Others are not spoken with systemd(1).
 */
export type Value = string | number | bigint | boolean | Variant | readonly Value[];

/** "(sv)", "au": the complete types of a signature, one after another. */
export function typesOf(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, from: number): number {
  let at = from;
  while (signature[at] === "a") at++;
  if (signature[at] !== "(") return at + 1;
  for (let depth = 0; at < signature.length; at++) {
    if (signature[at] === "(") depth++;
    if (signature[at] === ")" && --depth === 0) return at + 1;
  }
  throw internal(`D-Bus: the signature ${signature} does not end`);
}

/** Every value begins at a multiple of its size; what holds others at that of the largest (D-Bus specification, marshalling). */
const ALIGNMENTS: Readonly<Record<string, number>> = { y: 1, g: 1, v: 1, t: 8, "(": 8 };
const alignmentOf = (type: string): number => ALIGNMENTS[type[0] ?? ""] ?? 4;
const padding = (at: number, alignment: number): number => (alignment - (at % alignment)) % alignment;

/** Little-endian bytes of values. Alignment counts from the first of them. */
export class Writer {
  #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  align(alignment: number): void {
    for (let left = padding(this.#bytes.length, alignment); left > 0; left--) this.#bytes.push(0);
  }

  write(signature: string, values: readonly Value[]): void {
    for (const [index, type] of typesOf(signature).entries()) this.#value(type, values[index] ?? 0);
  }

  #value(type: string, value: Value): void {
    this.align(alignmentOf(type));
    switch (type[0]) {
      case "y":
        this.#bytes.push(Number(value));
        break;
      case "b":
      case "u":
        this.#number(Number(value));
        break;
      case "t":
        this.#number(Number(BigInt.asUintN(32, BigInt(value as bigint))));
        this.#number(Number(BigInt.asUintN(32, BigInt(value as bigint) >> 32n)));
        break;
      case "g":
        this.#bytes.push(String(value).length, ...Buffer.from(String(value)), 0);
        break;
      case "v":
        this.#variant(value as Variant);
        break;
      case "a":
        this.#array(type.slice(1), value as readonly Value[]);
        break;
      case "(":
        this.write(type.slice(1, -1), value as readonly Value[]);
        break;
      default:
        this.#text(String(value));
    }
  }

  #number(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes.push((value >>> shift) & 0xff);
  }

  #text(value: string): void {
    const bytes = Buffer.from(value);
    this.#number(bytes.length);
    this.#bytes.push(...bytes, 0);
  }

  #variant({ signature, value }: Variant): void {
    this.#value("g", signature);
    this.#value(signature, value);
  }

  /** Its length counts from the first element, without what aligns that. */
  #array(type: string, values: readonly Value[]): void {
    const place = this.#bytes.length;
    this.#number(0);
    this.align(alignmentOf(type));
    const from = this.#bytes.length;
    for (const value of values) this.#value(type, value);
    const size = this.#bytes.length - from;
    for (let byte = 0; byte < 4; byte++) this.#bytes[place + byte] = (size >>> (8 * byte)) & 0xff;
  }
}

/** Values out of little-endian bytes. Throws internal for bytes that end too early. */
export class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  align(alignment: number): void {
    this.#at += padding(this.#at, alignment);
  }

  read(signature: string): Value[] {
    return typesOf(signature).map((type) => this.#value(type));
  }

  #value(type: string): Value {
    this.align(alignmentOf(type));
    switch (type[0]) {
      case "y":
        return this.#view.getUint8(this.#take(1));
      case "b":
        return this.#number() === 1;
      case "u":
        return this.#number();
      case "t":
        return this.#view.getBigUint64(this.#take(8), true);
      case "g":
        return this.#text(this.#view.getUint8(this.#take(1)));
      case "v": {
        const signature = this.#text(this.#view.getUint8(this.#take(1)));
        return { signature, value: this.#value(signature) };
      }
      case "a":
        return this.#array(type.slice(1));
      case "(":
        return this.read(type.slice(1, -1));
      case "s":
      case "o":
        return this.#text(this.#number());
      default:
        throw internal(`D-Bus: values of the type ${type} are not known here`);
    }
  }

  #take(size: number): number {
    const from = this.#at;
    if (from + size > this.#view.byteLength) throw internal("D-Bus: a message ends too early");
    this.#at += size;
    return from;
  }

  #number(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** One zero byte follows. */
  #text(size: number): string {
    const from = this.#take(size + 1);
    return Buffer.from(this.#view.buffer, this.#view.byteOffset + from, size).toString("utf8");
  }

  #array(type: string): Value[] {
    const size = this.#number();
    this.align(alignmentOf(type));
    const end = this.#at + size;
    const values: Value[] = [];
    while (this.#at < end) values.push(this.#value(type));
    return values;
  }
}
