import { crc32 } from "node:zlib";
import { internal } from "../../errors/index.ts";
import {
  type Letter,
  OPERATIONS,
  type OperationLayout,
  operationName,
  PLAN_HEADER_BYTES,
  PLAN_LEAVE,
  PLAN_MAGIC,
  PLAN_START_ON_REQUEST,
  PLAN_VERSION,
} from "./format.ts";
import type { OperationName } from "./operations.ts";

type ValueOf<L extends Letter> = L extends "u"
  ? bigint
  : L extends "s"
    ? string
    : L extends "b"
      ? Buffer
      : readonly string[];

/** The fields of an operation as they stand in a plan, by their names in the table of operations. */
export type FieldsOf<Name extends OperationName> = {
  readonly [Field in keyof (typeof OPERATIONS)[Name]["fields"]]: ValueOf<
    Extract<(typeof OPERATIONS)[Name]["fields"][Field], Letter>
  >;
};

export type DecodedOperation = {
  [Name in OperationName]: { readonly op: Name; readonly fields: FieldsOf<Name> };
}[OperationName];

export interface DecodedPlan {
  readonly start: "now" | "on-request";
  readonly leave: boolean;
  readonly operations: readonly DecodedOperation[];
}

/** A plan as it was given to a shim, read back by the table of operations. Throws internal for anything else. */
export function decodePlan(bytes: Buffer): DecodedPlan {
  if (bytes.length < PLAN_HEADER_BYTES || bytes.toString("latin1", 0, 8) !== PLAN_MAGIC)
    throw internal("this is no launch plan");
  if (bytes.readUInt32LE(8) !== PLAN_VERSION)
    throw internal(`the launch plan is of version ${bytes.readUInt32LE(8)}, not ${PLAN_VERSION}`);
  if (
    bytes.readUInt32LE(16) !== bytes.length ||
    bytes.readUInt32LE(20) !== crc32(bytes.subarray(PLAN_HEADER_BYTES))
  )
    throw internal("the launch plan is damaged");
  const reader = new Reader(bytes, PLAN_HEADER_BYTES);
  const flags = bytes.readUInt32LE(24);
  return {
    start: flags & PLAN_START_ON_REQUEST ? "on-request" : "now",
    leave: (flags & PLAN_LEAVE) !== 0,
    operations: Array.from({ length: bytes.readUInt32LE(12) }, () => readOperation(reader)),
  };
}

function readOperation(reader: Reader): DecodedOperation {
  const code = reader.u32();
  reader.u32();
  const op = operationName(code);
  if (op === undefined) throw internal(`the launch plan has an unknown operation ${code}`);
  const { fields }: OperationLayout = OPERATIONS[op];
  const values = Object.entries(fields).map(([name, letter]) => [name, reader.field(letter)]);
  // The table that the fields are read by is the one that the type is made of.
  return { op, fields: Object.fromEntries(values) } as DecodedOperation;
}

class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  field(letter: Letter): bigint | string | Buffer | string[] {
    switch (letter) {
      case "u":
        return this.#take(8).readBigUInt64LE();
      case "s":
        return this.#string();
      case "b":
        return this.#take(this.u32());
      case "l":
        return Array.from({ length: this.u32() }, () => this.#string());
    }
  }

  u32(): number {
    return this.#take(4).readUInt32LE();
  }

  /** Its terminating NUL is not counted by its length. */
  #string(): string {
    const length = this.u32();
    return this.#take(length + 1).toString("utf8", 0, length);
  }

  #take(length: number): Buffer {
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    if (part.length < length) throw internal("the launch plan is cut short");
    this.#at += length;
    return part;
  }
}
