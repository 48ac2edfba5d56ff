import { crc32 } from "node:zlib";
import { invalid } from "../../errors/index.ts";
import {
  OPERATIONS,
  type OperationLayout,
  PLAN_HEADER_BYTES,
  PLAN_LEAVE,
  PLAN_MAGIC,
  PLAN_START_ON_REQUEST,
  PLAN_VERSION,
} from "./format.ts";
import { ATTRIBUTE_RECURSIVE, mountAttributes, NAMESPACE_FLAGS, PROPAGATION_FLAGS } from "./kernel.ts";
import type { IdMapEntry, IdMaps, LaunchPlan, Operation } from "./operations.ts";

type Field = number | bigint | boolean | string | Uint8Array | readonly string[];

/** The plan as the shim reads it. Throws invalid for a string with a NUL in it, which no system call could take. */
export function encodePlan(plan: LaunchPlan): Buffer {
  const body = new Writer();
  for (const operation of plan.operations) {
    const { code, fields }: OperationLayout = OPERATIONS[operation.op];
    const start = body.beginOperation(code);
    const letters = Object.values(fields);
    fieldsOf(operation).forEach((field, index) => {
      body.field(letters[index] ?? "", field, operation.op);
    });
    body.endOperation(start);
  }
  const bytes = body.finish();
  const flags = (plan.start === "on-request" ? PLAN_START_ON_REQUEST : 0) | (plan.leave ? PLAN_LEAVE : 0);
  bytes.write(PLAN_MAGIC, 0, "latin1");
  bytes.writeUInt32LE(PLAN_VERSION, 8);
  bytes.writeUInt32LE(plan.operations.length, 12);
  bytes.writeUInt32LE(bytes.length, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(PLAN_HEADER_BYTES)), 20);
  bytes.writeUInt32LE(flags, 24);
  bytes.writeUInt32LE(0, 28);
  return bytes;
}

/** The fields of an operation in the order of the table. */
function fieldsOf(o: Operation): Field[] {
  switch (o.op) {
    case "cgroup-create":
    case "cgroup-join":
    case "oom-watch":
      return [o.path, o.version];
    case "write-file":
      return [o.path, o.data, o.optional ?? false];
    case "log-file":
      return [o.file, o.maxBytes, o.maxFiles];
    case "stdio":
      return [o.terminal, o.stdin, o.stdinOnce, o.rows, o.columns];
    case "namespace-new":
      return [NAMESPACE_FLAGS[o.kind]];
    case "namespace-join":
      return [NAMESPACE_FLAGS[o.kind], o.path];
    case "owned-network":
      return "path" in o.owner
        ? ["", "", o.owner.path, o.target]
        : [idMap(o.owner.uids), idMap(o.owner.gids), "", o.target];
    case "id-map":
      return [idMap(o.uids), idMap(o.gids), o.allowSetgroups];
    case "netlink":
      return [
        o.where === "container",
        o.protocol,
        o.messages,
        u32s(o.pidOffsets),
        u32s(o.ignoreErrnos ?? []),
      ];
    case "mount-propagation":
      return [PROPAGATION_FLAGS[o.propagation]];
    case "rootfs-overlay":
      return [
        o.lower,
        o.upper ?? "",
        o.work ?? "",
        o.options,
        owners(o.shifted?.owners),
        o.shifted?.folders ?? [],
      ];
    case "rootfs-bind":
      return [o.source];
    case "mount":
      return [o.fstype, o.source, o.target, mountAttributes(o.attributes), o.data, o.createMode ?? 0];
    case "union-path":
      return [o.lower, o.path, o.target, mountAttributes(o.attributes)];
    case "tmpfs-copy-up":
      return [o.target, mountAttributes(o.attributes), o.data];
    case "bind": {
      const attributes =
        BigInt(mountAttributes(o.attributes)) | (o.attributes.recursive ? ATTRIBUTE_RECURSIVE : 0n);
      const propagation = o.propagation === undefined ? 0 : PROPAGATION_FLAGS[o.propagation];
      return [
        o.source,
        o.target,
        o.recursive,
        attributes,
        propagation,
        o.copyUp ?? false,
        o.subpath ?? "",
        owners(o.owners),
      ];
    }
    case "device":
      return [o.target, o.type.charCodeAt(0), o.major, o.minor, o.mode, o.uid, o.gid];
    case "symlink":
      return [o.target, o.to];
    case "mask":
    case "readonly-path":
      return [o.path];
    case "sysctl":
      return [o.key, o.value];
    case "session-keyring":
    case "hostname":
    case "domainname":
      return [o.name];
    case "rlimit":
      return [o.resource, o.soft, o.hard];
    case "oom-score-adj":
      return [u64(o.value)];
    case "user": {
      const umask = o.umask ?? 0xffff_ffff;
      return o.user.by === "number"
        ? [0, o.user.uid, o.user.gid, u32s(o.user.additionalGids), "", "", [], umask]
        : [1, 0, 0, u32s([]), o.user.user, o.user.group, o.user.additionalGroups, umask];
    }
    case "capabilities":
      return [o.bounding, o.effective, o.permitted, o.inheritable, o.ambient];
    case "seccomp":
      return [o.program, o.flags];
    case "working-directory":
      return [o.path, o.create];
    case "environment":
      return [o.entries];
    case "exec":
      return [o.args];
    case "device-filter":
      return [o.group, o.program];
    case "start-socket":
    case "console-socket":
      return [o.path];
    case "stdio-inherited":
      return [o.more];
    case "adopt":
      return [o.pidFile, o.consoleSocket, o.when === "at-start"];
    case "mount-from-namespace":
      return [o.namespace, o.source, o.target];
    case "hook": {
      const { path, args, env, timeoutSeconds, state, pidOffset } = o.hook;
      return [path, args, env, timeoutSeconds, state, pidOffset, o.stage === "at-start"];
    }
    case "time-offsets":
      return [o.lines];
    case "personality":
      return [o.persona];
    case "scheduler":
      return [o.policy, o.flags, u64(o.nice), o.priority, o.runtime, o.deadline, o.period];
    case "io-priority":
      return [o.word];
    case "init":
    case "runtime-hooks":
    case "console":
    case "pivot-root":
    case "root-readonly":
    case "no-new-privileges":
      return [];
  }
}

/** A number that may be negative, in two's complement. */
const u64 = (value: number): bigint => BigInt.asUintN(64, BigInt(value));

const idMap = (entries: readonly IdMapEntry[]) =>
  entries.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`).join("");

const owners = (maps: IdMaps | undefined) =>
  maps === undefined ? "" : `${idMap(maps.uids)}/${idMap(maps.gids)}`;

function u32s(values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value, index * 4);
  });
  return bytes;
}

/** A growing little-endian buffer that leaves room for the header. */
class Writer {
  private buffer = Buffer.allocUnsafe(16_384);
  private used = PLAN_HEADER_BYTES;

  beginOperation(code: number): number {
    const start = this.reserve(8);
    this.buffer.writeUInt32LE(code, start);
    return start;
  }

  endOperation(start: number): void {
    this.buffer.writeUInt32LE(this.used - start - 8, start + 4);
  }

  field(letter: string, value: Field, operation: string): void {
    if (
      letter === "u" &&
      (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    ) {
      const at = this.reserve(8);
      this.buffer.writeBigUInt64LE(BigInt(value), at);
    } else if (letter === "s" && typeof value === "string") {
      this.string(value, operation);
    } else if (letter === "b" && value instanceof Uint8Array) {
      this.u32(value.byteLength);
      const at = this.reserve(value.byteLength);
      this.buffer.set(value, at);
    } else if (letter === "l" && Array.isArray(value)) {
      this.u32(value.length);
      for (const item of value) this.string(item, operation);
    } else {
      throw new TypeError(`field ${letter} of ${operation} cannot hold ${typeof value}`);
    }
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.used);
  }

  private string(value: string, operation: string): void {
    if (value.includes("\0")) throw invalid(`a text of the operation ${operation} has a NUL byte in it`);
    const length = Buffer.byteLength(value);
    this.u32(length);
    const at = this.reserve(length + 1);
    this.buffer.write(value, at, "utf8");
    this.buffer[at + length] = 0;
  }

  private u32(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeUInt32LE(value, at);
  }

  /** Make room and give its place. May replace `buffer`: take the place first, then name the buffer. */
  private reserve(size: number): number {
    const at = this.used;
    this.used += size;
    if (this.used > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.used));
      this.buffer.copy(larger, 0, 0, at);
      this.buffer = larger;
    }
    return at;
  }
}
