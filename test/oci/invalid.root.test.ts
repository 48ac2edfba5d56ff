import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Config, TestBundle } from "./bundle.ts";

const namespaces = (...types: string[]) => types.map((type) => ({ type }));
const BASE = ["pid", "network", "ipc", "uts", "mount"];
const ALLOW = { defaultAction: "SCMP_ACT_ALLOW" };

/** A configuration that cannot be made, and the words that name what is wrong with it. */
const INVALID: readonly (readonly [kind: string, config: Config, words: string])[] = [
  ["a version of another specification", { ociVersion: "2.0.0" }, "ociVersion"],
  ["no root", { root: undefined }, "root"],
  ["a root that is not there", { root: { path: "nowhere" } }, "nowhere) does not exist"],
  ["no arguments", { process: { args: [] } }, "process args cannot be empty"],
  ["a working directory that is relative", { process: { cwd: "tmp" } }, "Cwd must be an absolute path"],
  [
    "a limit of processes that is none",
    { process: { rlimits: [{ type: "NOFILE", soft: 1, hard: 1 }] } },
    "rlimits",
  ],
  ["a user of text", { process: { user: { uid: "root", gid: 0 } } }, "process.user.uid"],
  ["no mount namespace", { linux: { namespaces: namespaces("pid") } }, "a mount namespace of its own"],
  ["a namespace twice", { linux: { namespaces: namespaces(...BASE, "pid") } }, "duplicated namespace pid"],
  [
    "a namespace of no kind",
    { linux: { namespaces: namespaces(...BASE, "moon") } },
    "linux.namespaces[5].type",
  ],
  [
    "a namespace's file that is not there",
    { linux: { namespaces: [...namespaces("mount", "uts"), { type: "network", path: "/no/such/ns" }] } },
    "/no/such/ns",
  ],
  [
    "a host name without a namespace for it",
    { linux: { namespaces: namespaces("pid", "mount", "network", "ipc") } },
    "without a private UTS namespace",
  ],
  [
    "ids mapped without a user namespace",
    { linux: { uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] } },
    "user namespace isn't enabled",
  ],
  [
    "clocks without a time namespace",
    { linux: { timeOffsets: { monotonic: { secs: 1 } } } },
    "time namespace isn't enabled",
  ],
  [
    "clocks of a time namespace that is joined",
    {
      linux: {
        namespaces: [...namespaces(...BASE), { type: "time", path: "/proc/self/ns/time" }],
        timeOffsets: { monotonic: { secs: 1 } },
      },
    },
    "not for one that is joined",
  ],
  ["a bind of nothing", { mounts: [{ destination: "/x", type: "bind" }] }, "mounts[0].source"],
  [
    "a bind of what is not there",
    { mounts: [{ destination: "/x", type: "bind", source: "/no/such/folder", options: ["rbind"] }] },
    "/no/such/folder",
  ],
  ["a file system of no kind", { mounts: [{ destination: "/x", type: "moonfs", source: "x" }] }, "moonfs"],
  [
    "a device of no kind",
    { linux: { devices: [{ path: "/dev/x", type: "z", major: 1, minor: 1 }] } },
    "devices[0].type",
  ],
  ["a sysctl that is none", { linux: { sysctl: { "kernel.no_such_setting": "1" } } }, "no_such_setting"],
  ["a limit below the kernel's least", { linux: { resources: { cpu: { quota: 1 } } } }, "cpu.cfs_quota_us"],
  ["a processor that is not there", { linux: { resources: { cpu: { cpus: "4000" } } } }, "cpuset.cpus"],
  [
    "a memory limit of text",
    { linux: { resources: { memory: { limit: "64m" } } } },
    "resources.memory.limit",
  ],
  [
    "a group outside of the root",
    { linux: { cgroupsPath: "/a/../.." } },
    "does not name a group below the root",
  ],
  ["a unit of systemd", { linux: { cgroupsPath: "system.slice:x:y" } }, "--systemd-cgroup was not given"],
  [
    "a filter with no such action",
    { linux: { seccomp: { defaultAction: "SCMP_ACT_MAYBE" } } },
    "defaultAction",
  ],
  [
    "a filter that asks somebody else",
    { linux: { seccomp: { ...ALLOW, syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }] } } },
    "SCMP_ACT_NOTIFY",
  ],
  [
    "a filter with a seventh argument",
    {
      linux: {
        seccomp: {
          ...ALLOW,
          syscalls: [
            { names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] },
          ],
        },
      },
    },
    "six arguments",
  ],
  [
    "a hook by a relative path",
    { hooks: { createRuntime: [{ path: "true" }] } },
    "hooks.createRuntime[0].path",
  ],
  ["a hook that fails", { hooks: { createContainer: [{ path: "/bin/false" }] } }, "/bin/false"],
  ["a propagation of no kind", { linux: { rootfsPropagation: "sideways" } }, "rootfsPropagation"],
  [
    "what this runtime cannot do",
    { linux: { intelRdt: { closID: "x" } } },
    "linux.intelRdt is not supported",
  ],
];

/** Everything that a container could have left. */
function residue(bundle: TestBundle): string[] {
  const hierarchies = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name));
  const state = join(bundle.folder, "state");
  return [
    ...hierarchies.map((folder) => join(folder, bundle.cgroup)).filter(existsSync),
    ...(existsSync(state) ? readdirSync(state).filter((name) => !name.startsWith("@")) : []),
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(bundle.folder)),
    ...processesOf(bundle),
  ];
}

/** Processes that run in the bundle's root, or for it. */
const processesOf = (bundle: TestBundle): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${bundle.folder}/state`)
      );
    } catch {
      return false;
    }
  });

test("a configuration that cannot be made is refused in one sentence that names what is wrong, and leaves nothing", async () => {
  await using bundle = new TestBundle();
  const results: [kind: string, exitCode: number, said: string, residue: string[]][] = [];
  for (const [kind, config, words] of INVALID) {
    bundle.configure(config);
    const { exitCode, stderr } = await bundle.create();
    const isSentence = stderr.includes(words) && stderr.trimEnd().split("\n").length === 1;
    results.push([kind, exitCode, isSentence ? words : stderr, residue(bundle)]);
  }
  expect(results).toEqual(INVALID.map(([kind, , words]) => [kind, 1, words, []]));
}, 60_000);
