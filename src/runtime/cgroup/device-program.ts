import { invalid } from "../../errors/index.ts";

export interface DeviceRule {
  readonly allow: boolean;
  /** In the words of the version 1 controller: "c 1:3 rwm", "b *:* m", "a *:* rwm". */
  readonly rule: string;
}

/** BPF_DEVCG_ACC_* of linux/bpf.h by letter. */
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const EVERY_ACCESS = 7;
/** BPF_DEVCG_DEV_*. */
const TYPES: Readonly<Record<string, number>> = { b: 1, c: 2 };

/** What differs from the default; an undefined number stands for all. */
interface Exception {
  readonly type: number;
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly access: number;
}

/**
 * The rules as a program for BPF_PROG_TYPE_CGROUP_DEVICE, which answers what the version 1 controller would answer
 * after the same writes (kernel: cgroup-v1/devices): a rule for "a" sets the default and forgets exceptions; others
 * are exceptions from it, or take back one that they name exactly. Throws invalid for a rule of another form.
 */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const { allow, exceptions } = evaluate(rules);
  const code = [
    // The context is { u32 access_type; u32 major; u32 minor }, access_type being access << 16 | type.
    load(R.type, 0),
    instruction(OPCODE.MOV32_REGISTER, R.access, R.type),
    instruction(OPCODE.SHIFT_RIGHT32, R.access, 0, 0, 16),
    instruction(OPCODE.AND32, R.type, 0, 0, 0xffff),
    load(R.major, 4),
    load(R.minor, 8),
    ...exceptions.flatMap((exception) => test(exception, allow)),
    ...answer(allow),
  ];
  return Buffer.concat(code);
}

/** The state of the controller after the rules, beginning with nothing allowed. */
export function evaluate(rules: readonly DeviceRule[]): { allow: boolean; exceptions: Exception[] } {
  let allow = false;
  const exceptions = new Map<string, Exception>();
  for (const { allow: allows, rule } of rules) {
    const [, type = "", majorText, minorText, letters = ""] =
      /^([abc]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(rule) ?? [];
    if (type === "") throw invalid(`invalid device cgroup rule format: '${rule}'`);
    if (type === "a") {
      allow = allows;
      exceptions.clear();
      continue;
    }
    const access = [...letters].reduce((bits, letter) => bits | (ACCESS[letter] ?? 0), 0);
    const key = `${type} ${majorText}:${minorText}`;
    const before = exceptions.get(key)?.access ?? 0;
    const after = allows === allow ? before & ~access : before | access;
    if (after === 0) exceptions.delete(key);
    else {
      exceptions.set(key, {
        type: TYPES[type] ?? 0,
        major: majorText === "*" ? undefined : Number(majorText),
        minor: minorText === "*" ? undefined : Number(minorText),
        access: after,
      });
    }
  }
  return { allow, exceptions: [...exceptions.values()] };
}

/** Registers; the verifier has the context in 1 at the beginning. */
const R = { result: 0, context: 1, type: 2, access: 3, major: 4, minor: 5 } as const;

/** BPF instruction classes and operations of linux/bpf.h, put together. */
const OPCODE = {
  LOAD32: 0x61,
  MOV32_REGISTER: 0xbc,
  MOV64: 0xb7,
  AND32: 0x54,
  SHIFT_RIGHT32: 0x74,
  JUMP_IF_EQUAL: 0x15,
  JUMP_IF_NOT_EQUAL: 0x55,
  EXIT: 0x95,
} as const;

/** struct bpf_insn: opcode, destination and source in one byte, offset of a jump or of memory, number. */
function instruction(opcode: number, destination: number, source = 0, offset = 0, number = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(opcode, 0);
  bytes.writeUInt8((source << 4) | destination, 1);
  bytes.writeInt16LE(offset, 2);
  bytes.writeInt32LE(number | 0, 4);
  return bytes;
}

const load = (register: number, offset: number) => instruction(OPCODE.LOAD32, register, R.context, offset);
const answer = (allow: boolean) => [
  instruction(OPCODE.MOV64, R.result, 0, 0, allow ? 1 : 0),
  instruction(OPCODE.EXIT, 0),
];

/**
 * Answer the opposite of the default if the exception fits. Beside an allowed default one forbidden kind of access is
 * enough to refuse; beside a forbidden one every kind that is asked for has to be allowed.
 */
function test({ type, major, minor, access }: Exception, allow: boolean): Buffer[] {
  const conditions: ((skip: number) => Buffer)[] = [
    (skip) => instruction(OPCODE.JUMP_IF_NOT_EQUAL, R.type, 0, skip, type),
  ];
  if (allow || access !== EVERY_ACCESS) {
    conditions.push(
      () => instruction(OPCODE.MOV32_REGISTER, R.result, R.access),
      () => instruction(OPCODE.AND32, R.result, 0, 0, allow ? access : ~access),
      (skip) => instruction(allow ? OPCODE.JUMP_IF_EQUAL : OPCODE.JUMP_IF_NOT_EQUAL, R.result, 0, skip, 0),
    );
  }
  if (major !== undefined)
    conditions.push((skip) => instruction(OPCODE.JUMP_IF_NOT_EQUAL, R.major, 0, skip, major));
  if (minor !== undefined)
    conditions.push((skip) => instruction(OPCODE.JUMP_IF_NOT_EQUAL, R.minor, 0, skip, minor));
  const verdict = answer(!allow);
  return [...conditions.map((make, at) => make(conditions.length - at - 1 + verdict.length)), ...verdict];
}
