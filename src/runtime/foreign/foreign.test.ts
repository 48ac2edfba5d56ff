import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseSeccompProfile } from "../seccomp/index.ts";
import type { Spec, SpecMount } from "../spec/index.ts";
import { BundleStore } from "./bundle.ts";
import { lastComplaint } from "./command.ts";
import { compileForeign, type ForeignInput } from "./compile.ts";
import { createRuntimes } from "./runtimes.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-foreign-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const program = join(folder, "runtime");
writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
const store = new BundleStore(join(folder, "exec"));

test("runtimes are named, found and refused in Docker's words", () => {
  const runtimes = createRuntimes({ added: [`mine=${program}`], defaultName: "mine" });
  expect([runtimes.defaultName, runtimes.find("mine"), runtimes.find("gantry")]).toEqual([
    "mine",
    { name: "mine", path: program },
    undefined,
  ]);
  expect(() => runtimes.find("nope")).toThrow("unknown or invalid runtime name: nope");
  const refused =
    (added: string[], defaultName = "") =>
    () =>
      createRuntimes({ added, defaultName });
  expect(refused([], "nope")).toThrow("specified default runtime 'nope' does not exist");
  expect(refused([`gantry=${program}`])).toThrow("runtime name 'gantry' is reserved");
  expect(refused([`a=${program}`, `a=${program}`])).toThrow("the runtime a is added twice");
  expect(refused(["a=/no/such/program"])).toThrow("there is no program /no/such/program");
  for (const text of ["a", "=x", "a b=x", "a="]) expect(refused([text])).toThrow("must be NAME=PATH");
});

test("a bundle whose daemon was killed while it was saved is none, and can be removed", () => {
  const id = "c".repeat(64);
  const { folder: bundle } = store.paths(id);
  const runtime = { name: "mine", path: program };
  const saved = { runtime, containerId: id, kind: "container", document: "{}" } as const;
  store.save(id, saved);
  expect(store.load(id)).toEqual({ runtime, containerId: id, kind: "container" });
  store.remove(id);
  mkdirSync(bundle);
  writeFileSync(join(bundle, "runtime.json.tmp"), "{");
  expect([store.load(id), store.list()]).toEqual([undefined, [basename(bundle)]]);
  store.remove(id);
  expect(store.list()).toEqual([]);
});

const mount = (destination: string, type: string, source: string, ...options: string[]): SpecMount => ({
  destination,
  type,
  source,
  options,
});

const SPEC: Spec = {
  ociVersion: "1.2.0",
  hostname: "box",
  root: { path: "rootfs", readonly: true },
  process: {
    terminal: true,
    user: { uid: 0, gid: 0, umask: 0o22 },
    args: ["sh"],
    env: ["A=b"],
    cwd: "/",
    capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 10, hard: -1 }],
    noNewPrivileges: true,
  },
  mounts: [
    mount("/proc", "proc", "proc", "nosuid"),
    mount("/sys/fs/cgroup", "tmpfs", "tmpfs", "nosuid", "mode=755"),
    mount("/sys/fs/cgroup/memory", "bind", "/sys/fs/cgroup/memory/x", "bind", "rprivate", "ro"),
    mount("/filled", "bind", "/volumes/filled", "rbind", "rw", "copy-up"),
    mount("/dev/data", "bind", "/volumes/data", "rbind", "rw", "copy-up"),
    { ...mount("/below", "bind", "/volumes/v", "rbind", "ro"), subpath: "sub" },
    { ...mount("/dev/shm", "bind", "/dev/shm"), namespace: "/proc/7/ns/mnt" },
  ],
  linux: {
    namespaces: [{ type: "mount" }, { type: "network" }, { type: "pid", path: "/proc/7/ns/pid" }],
    devices: [],
    cgroupsPath: "/gantry/c1",
    resources: {
      devices: [
        { allow: false, rule: "a *:* rwm" },
        { allow: true, rule: "c 136:* rw" },
      ],
    },
    sysctl: { "net.core.somaxconn": "99", "kernel.msgmax": "9000" },
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: [],
    rootfsPropagation: "rprivate",
  },
};

const PROFILE = parseSeccompProfile(
  JSON.stringify({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [
      { names: ["read"], action: "SCMP_ACT_ALLOW" },
      { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
    ],
  }).replace(
    '{"names":["read"]',
    '{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":18446744073709551615,"op":"SCMP_CMP_MASKED_EQ"}]},{"names":["read"]',
  ),
);

const INPUT: ForeignInput = {
  id: "c1",
  runtime: { name: "mine", path: program },
  store,
  identity: { uid: 33, gid: 34, additionalGids: [34, 77] },
  stdio: { stdin: true, stdinOnce: false },
  spec: SPEC,
  seccomp: { profile: PROFILE, capabilities: new Set() },
  hooks: {},
  root: { op: "rootfs-overlay", lower: ["/b", "/a"], upper: "/u", work: "/w", options: [] },
  rootFolder: "/run/tasks/c1",
  network: [],
  unit: undefined,
  layout: {
    unified: undefined,
    unifiedControllers: new Set(),
    legacy: new Map([["pids", "/sys/fs/cgroup/pids"]]),
  },
};
const launch = compileForeign(INPUT);
const config = JSON.parse(launch.bundle.document);

test("a plan makes what the runtime finds, and ends with its command", () => {
  const { folder: bundle, pidFile, consoleSocket, staging } = store.paths("c1");
  expect(launch.plan.operations.map(({ op }) => op)).toEqual([
    "stdio",
    "adopt",
    "namespace-new",
    "namespace-new",
    "sysctl",
    "mount-propagation",
    "bind",
    "mount-from-namespace",
    "rootfs-overlay",
    "bind",
    "environment",
    "exec",
  ]);
  const binds = launch.plan.operations.flatMap((operation) =>
    operation.op === "bind" ? [operation.target] : [],
  );
  expect(binds).toEqual([`${staging}/5`, "/filled"]);
  const exec = launch.plan.operations.at(-1);
  expect(exec?.op === "exec" ? exec.args.slice(7) : []).toEqual([
    "create",
    "--bundle",
    bundle,
    "--pid-file",
    pidFile,
    "--console-socket",
    consoleSocket,
    "c1",
  ]);
});

test("config.json says the rest, in the specification's words and numbers", () => {
  const { staging } = store.paths("c1");
  expect(config.root).toEqual({ path: "/run/tasks/c1", readonly: true });
  expect(config.process).toMatchObject({
    user: { uid: 33, gid: 34, additionalGids: [34, 77], umask: 0o22 },
    terminal: true,
    noNewPrivileges: true,
  });
  // Beyond a double's reach, so not by way of JSON.parse.
  expect(launch.bundle.document).toContain(
    '"rlimits":[{"type":"RLIMIT_NOFILE","soft":10,"hard":18446744073709551615}]',
  );
  expect(config.mounts).toEqual([
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "ro"] },
    { destination: "/dev/data", type: "bind", source: "/volumes/data", options: ["rbind", "rw"] },
    { destination: "/below", type: "bind", source: `${staging}/5`, options: ["rbind", "ro"] },
    { destination: "/dev/shm", type: "bind", source: `${staging}/6`, options: ["rbind", "rw"] },
  ]);
  expect(config.linux.namespaces).toEqual([
    { type: "mount" },
    { type: "network", path: "/proc/self/ns/net" },
    { type: "pid", path: "/proc/7/ns/pid" },
  ]);
  expect(config.linux.resources.devices).toEqual([
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 136, access: "rw" },
  ]);
  expect(config.linux.sysctl).toEqual({ "kernel.msgmax": "9000" });
});

test("a filter's conditions on capabilities are decided, its numbers kept whole", () => {
  const { seccomp } = config.linux;
  expect([seccomp.defaultAction, seccomp.defaultErrnoRet, seccomp.flags]).toEqual([
    "SCMP_ACT_ERRNO",
    38,
    ["SECCOMP_FILTER_FLAG_LOG"],
  ]);
  expect(seccomp.syscalls.map(({ names }: { names: string[] }) => names[0])).toEqual(["clone", "read"]);
  expect(launch.bundle.document).toContain(
    '{"index":0,"value":18446744073709551615,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}',
  );
});

test("what a runtime complained of last is told, whatever else is in its log", () => {
  store.save("c2", launch.bundle);
  const lines = [
    '{"level":"error","msg":"first"}',
    "no JSON",
    '{"level":"fatal","msg":"last"}',
    '{"level":"info"}',
  ];
  writeFileSync(store.paths("c2").log, lines.join("\n"));
  expect([lastComplaint(store, "c2"), lastComplaint(store, "c3")]).toEqual(["last", undefined]);
  expect([store.load("c2")?.containerId, store.load("c3"), store.list()]).toEqual(["c1", undefined, ["c2"]]);
  store.remove("c2");
  expect(store.list()).toEqual([]);
});

test("a runtime is told of no control group where the engine has none", () => {
  const layout = { unified: undefined, unifiedControllers: new Set<string>(), legacy: new Map() };
  const { linux } = JSON.parse(compileForeign({ ...INPUT, layout }).bundle.document);
  expect([linux.cgroupsPath, linux.resources]).toEqual([undefined, undefined]);
});
