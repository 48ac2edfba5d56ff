import type { DecodedOperation, DecodedPlan } from "../../src/runtime/plan/index.ts";

type OfPhase = readonly (readonly string[])[];

const quote = (text: string): string => JSON.stringify(text);
const bytesOf = (name: string, bytes: Buffer): string =>
  `static const uint8_t ${name}[] __attribute__((aligned(8))) = {${[...bytes].join(",")}};`;

/** The system calls of a plan as C: what bench/launch/limit.c includes. */
export function limitSource({ operations }: DecodedPlan): string {
  const tables = operations.flatMap(tableOf);
  const lines = (phase: "host" | "join" | "link" | "container"): OfPhase =>
    operations.map((operation, index) => callsOf(operation, index)[phase] ?? []);
  const flags = operations.flatMap((operation) =>
    operation.op === "namespace-new" ? [`0x${operation.fields.kind.toString(16)}ul`] : [],
  );
  const groups = operations.flatMap((operation) =>
    operation.op === "cgroup-create" ? [operation.fields.path] : [],
  );
  const own = operations.find(({ op, fields }) => op === "cgroup-join" && fields.version === 2n);
  const group = own?.op === "cgroup-join" ? own.fields.path : undefined;
  const body = (phase: OfPhase) => phase.flat().map((call) => `    ${call}`);
  return [
    ...tables,
    `#define CLONE_FLAGS (${flags.join(" | ")})`,
    "static void host(void) {",
    ...body(lines("host")),
    "}",
    "static void into_group(struct clone_args *args) {",
    ...(group === undefined
      ? ["    (void)args;"]
      : [
          "    args->flags |= CLONE_INTO_CGROUP;",
          `    args->cgroup = (uint64_t)open(${quote(group)}, O_PATH | O_DIRECTORY | O_CLOEXEC);`,
        ]),
    "}",
    "static void join(void) {",
    ...body(lines("join")),
    "}",
    "static void link_(pid_t pid) {",
    "    (void)pid;",
    ...body(lines("link")),
    "}",
    "static _Noreturn void container(void) {",
    ...body(lines("container")),
    "}",
    "static void remove_groups(void) {",
    ...groups.toReversed().map((path) => `    while (rmdir(${quote(path)}) && errno == EBUSY) usleep(1000);`),
    "}",
    "",
  ].join("\n");
}

function tableOf(operation: DecodedOperation, index: number): string[] {
  if (operation.op === "netlink") return [bytesOf(`messages_${index}`, operation.fields.messages)];
  if (operation.op === "seccomp") return [bytesOf(`program_${index}`, operation.fields.program)];
  if (operation.op === "rootfs-overlay")
    return [
      `static const char *const lower_${index}[] = {${operation.fields.lower.map(quote).join(", ")}, 0};`,
    ];
  if (operation.op === "environment")
    return [`static char *environment[] = {${operation.fields.entries.map(quote).join(", ")}, "HOME=/", 0};`];
  if (operation.op === "exec")
    return [`static char *arguments[] = {${operation.fields.args.map(quote).join(", ")}, 0};`];
  return [];
}

type Calls = { readonly [Phase in "host" | "join" | "link" | "container"]?: readonly string[] };

const DEVICE_TYPES: Readonly<Record<string, string>> = { 98: "S_IFBLK", 99: "S_IFCHR", 112: "S_IFIFO" };

function callsOf(operation: DecodedOperation, index: number): Calls {
  switch (operation.op) {
    case "cgroup-create":
      return { host: [`TRY(mkdir(${quote(operation.fields.path)}, 0755));`] };
    case "write-file":
      return { host: [`write_text(${quote(operation.fields.path)}, ${quote(operation.fields.data)});`] };
    case "log-file":
      return {
        host: [
          `TRY(open(${quote(operation.fields.path)}, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));`,
        ],
      };
    case "cgroup-join":
      return operation.fields.version === 1n
        ? { join: [`write_text(${quote(`${operation.fields.path}/tasks`)}, "0");`] }
        : {};
    case "session-keyring":
      return {
        container: [`syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, ${quote(operation.fields.name)});`],
      };
    case "netlink":
      return netlinkCalls(operation, index);
    case "sysctl":
      return {
        container: [
          `write_text(${quote(sysctlPath(operation.fields.key))}, ${quote(operation.fields.value)});`,
        ],
      };
    case "mount-propagation":
      return { container: [`TRY(mount(NULL, "/", NULL, ${operation.fields.flags}, NULL));`] };
    case "rootfs-overlay": {
      const { upper, work } = operation.fields;
      return { container: [`overlay(lower_${index}, ${quote(upper)}, ${quote(work)});`] };
    }
    case "mount": {
      const { type, source, target, attributes, data } = operation.fields;
      return {
        container: [
          `mount_one(${quote(type)}, ${quote(source)}, ${quote(target)}, ${attributes}, ${quote(data)});`,
        ],
      };
    }
    case "bind": {
      const { source, target, recursive, attributes, propagation } = operation.fields;
      const own = attributes & 0xffff_ffffn;
      return {
        container: [
          `bind_one(${quote(source)}, ${quote(target)}, ${recursive}, ${own}, ${propagation & ~0x4000n});`,
        ],
      };
    }
    case "device": {
      const { target, type, mode, major, minor } = operation.fields;
      return {
        container: [`device(${quote(target)}, ${DEVICE_TYPES[String(type)]} | ${mode}, ${major}, ${minor});`],
      };
    }
    case "symlink":
      return {
        container: [
          `TRY(symlink(${quote(operation.fields.to)}, inside(${quote(operation.fields.target)})));`,
        ],
      };
    case "pivot-root":
      return { container: ["pivot();"] };
    case "hostname": {
      const { name } = operation.fields;
      return { container: [`TRY(sethostname(${quote(name)}, ${name.length}));`] };
    }
    case "mask":
      return { container: [`mask(${quote(operation.fields.path)});`] };
    case "readonly-path":
      return { container: [`read_only(${quote(operation.fields.path)});`] };
    case "working-directory":
      return { container: [`TRY(chdir(${quote(operation.fields.path)}));`] };
    case "seccomp":
      return { container: [`filter(program_${index}, sizeof program_${index});`] };
    case "user":
      return {
        container: ["dup2(input, 0); dup2(pipes[0][1], 1); dup2(pipes[1][1], 2);", "become_user();"],
      };
    case "capabilities":
      return { container: [`capabilities(0x${operation.fields.bounding.toString(16)}ul);`] };
    case "exec":
      return {
        container: ['execve("/bin/sh", arguments, environment);', 'die("execve");'],
      };
    // Told to the shim only, or done by limit.c for every plan.
    case "stdio":
    case "oom-watch":
    case "namespace-new":
    case "environment":
      return {};
    default:
      throw new Error(`the benchmark's limit does not know the operation ${operation.op}`);
  }
}

function netlinkCalls({ fields }: DecodedOperation & { op: "netlink" }, index: number): Calls {
  const { inContainer, protocol, messages, pidOffsets } = fields;
  const pidAt = pidOffsets.length === 0 ? -1 : pidOffsets.readUInt32LE();
  const nameAt = messages.indexOf("veth");
  // The word "veth" is the kind's name too; the link's own comes with its digits.
  const digitsAt = /veth[0-9a-f]{7}/.exec(messages.toString("latin1"))?.index;
  const isHosts = inContainer === 0n;
  const call = `netlink(${protocol}, messages_${index}, sizeof messages_${index}, ${pidAt}, ${isHosts ? "pid" : "0"}, ${digitsAt === undefined ? -1 : digitsAt + "veth".length}, ${isHosts && nameAt >= 0 ? 1 : -1});`;
  return isHosts ? { link: [call] } : { container: [call] };
}

const sysctlPath = (key: string): string => `/proc/sys/${key.includes("/") ? key : key.replaceAll(".", "/")}`;
