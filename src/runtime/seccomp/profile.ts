import { arch } from "node:os";
import { invalid, unsupported } from "../../errors/index.ts";
import { parseJsonExactly } from "../../units/index.ts";

export type SeccompAction = "allow" | "errno" | "kill" | "kill_process" | "trap" | "trace" | "log";
export type SeccompOperator = "NE" | "LT" | "LE" | "EQ" | "GE" | "GT" | "MASKED_EQ";

export interface SyscallRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errno?: number;
  /** All have to hold. For MASKED_EQ `value` is the mask and `valueTwo` what is compared. */
  readonly args: readonly {
    readonly index: number;
    readonly op: SeccompOperator;
    readonly value: bigint;
    readonly valueTwo: bigint;
  }[];
  readonly onlyWith?: readonly string[];
  readonly notWith?: readonly string[];
  /** Names as Go has them: amd64, arm64, … */
  readonly onlyArchitectures?: readonly string[];
  readonly notArchitectures?: readonly string[];
  /** "4.8" */
  readonly minKernel?: string;
}

export interface SeccompProfile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrno: number;
  /** Flags of seccomp(2). */
  readonly flags: number;
  /** Beside the native one: its 32-bit kin, or those named in libseccomp's words ("x86"). */
  readonly architectures: "native-with-compatible" | readonly string[];
  readonly rules: readonly SyscallRule[];
}

const EPERM = 1;

/** A profile in Docker's JSON format. Throws invalid naming the field, unsupported for notify. */
export function parseSeccompProfile(text: string): SeccompProfile {
  let value: unknown;
  try {
    value = parseJsonExactly(text);
  } catch (cause) {
    throw invalid(`Decoding seccomp profile failed: ${cause instanceof Error ? cause.message : "not JSON"}`, {
      cause,
    });
  }
  return readSeccompProfile(value);
}

/** The same after parsing; whole numbers beyond a double's reach have to be bigints. */
export function readSeccompProfile(value: unknown): SeccompProfile {
  const profile = object(value, "the profile");
  if (profile.listenerPath)
    throw unsupported("seccomp profile: listenerPath is not supported by this engine");
  return {
    defaultAction: action(profile.defaultAction, "defaultAction"),
    defaultErrno: integer(profile.defaultErrnoRet ?? EPERM, "defaultErrnoRet"),
    flags: flagsOf(profile),
    architectures: architecturesOf(profile),
    rules: list(profile.syscalls ?? [], "syscalls").map((item, index) =>
      rule(object(item, `syscalls[${index}]`), `syscalls[${index}]`),
    ),
  };
}

function rule(item: Record<string, unknown>, at: string): SyscallRule {
  if (item.name && item.names !== undefined && list(item.names, `${at}.names`).length > 0) {
    throw invalid(
      `Decoding seccomp profile failed: ${at}: 'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'`,
    );
  }
  const names =
    item.names === undefined
      ? [string(item.name, `${at}.name`)]
      : list(item.names, `${at}.names`).map((name) => string(name, `${at}.names`));
  const includes = object(item.includes ?? {}, `${at}.includes`);
  const excludes = object(item.excludes ?? {}, `${at}.excludes`);
  const strings = (value: unknown, field: string) =>
    list(value ?? [], field).map((entry) => string(entry, field));
  return {
    names,
    action: action(item.action, `${at}.action`),
    ...(item.errnoRet === undefined || item.errnoRet === null
      ? {}
      : { errno: integer(item.errnoRet, `${at}.errnoRet`) }),
    args: list(item.args ?? [], `${at}.args`).map((argument) =>
      compare(object(argument, `${at}.args`), `${at}.args`),
    ),
    onlyWith: strings(includes.caps, `${at}.includes.caps`),
    notWith: strings(excludes.caps, `${at}.excludes.caps`),
    onlyArchitectures: strings(includes.arches, `${at}.includes.arches`),
    notArchitectures: strings(excludes.arches, `${at}.excludes.arches`),
    ...(includes.minKernel === undefined
      ? {}
      : { minKernel: string(includes.minKernel, `${at}.includes.minKernel`) }),
  };
}

function compare(argument: Record<string, unknown>, at: string): SyscallRule["args"][number] {
  const op = string(argument.op, `${at}.op`).replace(/^SCMP_CMP_/, "");
  const operators: readonly string[] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
  if (!operators.includes(op))
    throw invalid(`Decoding seccomp profile failed: ${at}.op: unknown operator ${op}`);
  const index = integer(argument.index, `${at}.index`);
  if (index > 5)
    throw invalid(`Decoding seccomp profile failed: ${at}.index: a system call has six arguments`);
  return {
    index,
    op: op as SeccompOperator,
    value: unsigned(argument.value ?? 0, `${at}.value`),
    valueTwo: unsigned(argument.valueTwo ?? 0, `${at}.valueTwo`),
  };
}

const ACTIONS: Readonly<Record<string, SeccompAction>> = {
  SCMP_ACT_ALLOW: "allow",
  SCMP_ACT_ERRNO: "errno",
  SCMP_ACT_KILL: "kill",
  SCMP_ACT_KILL_THREAD: "kill",
  SCMP_ACT_KILL_PROCESS: "kill_process",
  SCMP_ACT_TRAP: "trap",
  SCMP_ACT_TRACE: "trace",
  SCMP_ACT_LOG: "log",
};

function action(value: unknown, field: string): SeccompAction {
  const name = string(value, field);
  if (name === "SCMP_ACT_NOTIFY")
    throw unsupported(`seccomp profile: ${field}: SCMP_ACT_NOTIFY is not supported by this engine`);
  const known = ACTIONS[name];
  if (known === undefined) throw invalid(`Decoding seccomp profile failed: ${field}: unknown action ${name}`);
  return known;
}

const MAX_UNSIGNED = 2n ** 64n - 1n;

function unsigned(value: unknown, field: string): bigint {
  const number = typeof value === "bigint" ? value : BigInt(integer(value, field));
  if (number >= 0n && number <= MAX_UNSIGNED) return number;
  throw invalid(`Decoding seccomp profile failed: ${field}: must be an unsigned 64-bit integer`);
}

/** SECCOMP_FILTER_FLAG_* of seccomp(2). A process of one thread needs no TSYNC. */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

function flagsOf(profile: Record<string, unknown>): number {
  return list(profile.flags ?? [], "flags").reduce<number>((bits, item) => {
    const flag = FLAGS[string(item, "flags")];
    if (flag === undefined)
      throw unsupported(`seccomp profile: flags: ${string(item, "flags")} is not supported`);
    return bits | flag;
  }, 0);
}

const NATIVE: Readonly<Record<string, string>> = {
  x64: "x86_64",
  arm64: "aarch64",
  ppc64: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
};

/** Beside the native one: those listed, or those that the map gives to the native one. */
function architecturesOf(profile: Record<string, unknown>): string[] {
  const listed = list(profile.architectures ?? [], "architectures").map((item) =>
    architecture(string(item, "architectures")),
  );
  const mapped = list(profile.archMap ?? [], "archMap").map((item) => object(item, "archMap"));
  if (mapped.length === 0) return listed;
  if (listed.length > 0) {
    throw invalid(
      "Decoding seccomp profile failed: 'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const own = mapped.find(
    (entry) => architecture(string(entry.architecture, "archMap.architecture")) === NATIVE[arch()],
  );
  return list(own?.subArchitectures ?? [], "archMap.subArchitectures").map((item) =>
    architecture(string(item, "archMap.subArchitectures")),
  );
}

function architecture(name: string): string {
  if (!/^SCMP_ARCH_[A-Z0-9_]+$/.test(name))
    throw invalid(`Decoding seccomp profile failed: architectures: unknown ${name}`);
  return name.slice("SCMP_ARCH_".length).toLowerCase();
}

function object(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw invalid(`Decoding seccomp profile failed: ${field}: must be an object`);
}

function list(value: unknown, field: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`Decoding seccomp profile failed: ${field}: must be a list`);
}

function string(value: unknown, field: string): string {
  if (typeof value === "string" && !/[\s\0]/.test(value)) return value;
  throw invalid(`Decoding seccomp profile failed: ${field}: must be a word`);
}

function integer(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`Decoding seccomp profile failed: ${field}: must be a non-negative integer`);
}
