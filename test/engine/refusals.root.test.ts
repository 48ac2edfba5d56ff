import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** What cannot be run, the exit code of the client, and the words that name what is wrong. */
const REFUSALS: readonly (readonly [flags: string, exitCode: number, words: string])[] = [
  ["-m 1m", 125, "Minimum memory limit allowed is 6MB"],
  ["-m 64m --memory-swap 32m", 125, "Minimum memoryswap limit should be larger than memory limit"],
  ["--cpus 4000", 125, "Range of CPUs is from 0.01"],
  ["--cpuset-cpus 4000", 125, "Requested CPUs are not available - requested 4000"],
  ["--cpu-quota 10", 125, "CPU cfs quota can not be less than 1ms"],
  ["--pids-limit 5 --memory-swappiness 101", 125, "memory swappiness"],
  ["--cap-add NOPE", 125, 'unknown capability: "CAP_NOPE"'],
  ["--security-opt seccomp=PROFILE", 125, "Decoding seccomp profile failed: syscalls[0].action"],
  ["--security-opt nonsense=1", 125, "invalid --security-opt"],
  ["--pid container:nobody", 125, "No such container: nobody"],
  ["--network no-such-network", 125, "network no-such-network not found"],
  ["--ipc container:nobody", 125, "No such container: nobody"],
  ["--device /dev/no-such-device", 127, "/dev/no-such-device"],
  ["--device-cgroup-rule nonsense", 125, "nonsense"],
  ["--sysctl kernel.no_such_setting=1", 125, "kernel.no_such_setting"],
  ["-v /x:relative", 125, "relative"],
  ["--mount type=bind,source=/no/such/folder,target=/x", 125, "/no/such/folder"],
  ["-v fresh-volume:/etc/passwd", 125, "not a directory"],
  ["-u nobody-at-all", 125, "unable to find user nobody-at-all"],
  ["-w /bin/sh", 125, "/bin/sh"],
  ["--entrypoint /no/such/program", 127, "no such file or directory"],
  ["--entrypoint /etc/passwd", 126, "permission denied"],
  ["--runtime nope", 125, "unknown or invalid runtime name: nope"],
  ["--storage-opt size=lots", 125, "invalid size: 'lots'"],
  ["--storage-opt colour=red", 125, "Unknown option colour"],
  // Folders of tests lie where nobody has switched project quotas on.
  ["--storage-opt size=10m", 125, "the file system of"],
  ["--oom-score-adj 2000", 125, "oom score adj"],
];

const foldersIn = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());

/** All that a container could have left. */
const traces = () => ({
  containers: readdirSync(join(daemon.folder, "data/containers")),
  snapshots: readdirSync(join(daemon.folder, "data/snapshots")),
  volumes: readdirSync(join(daemon.folder, "data/volumes")).filter((name) => name !== "fresh-volume"),
  tasks: readdirSync(join(daemon.folder, "exec/tasks")),
  bundles: readdirSync(join(daemon.folder, "exec/bundles")),
  groups: readdirSync("/sys/fs/cgroup").flatMap((name) => {
    const folder = `/sys/fs/cgroup/${name}/${daemon.name}`;
    return foldersIn(folder).map((entry) => entry.name);
  }),
});

/** The kernel ends the network of a process that is gone in its own time, and sysfs tells nobody. */
async function linksAreGone(): Promise<void> {
  while (readdirSync(`/sys/class/net/${daemon.name}0/brif`).length > 0) await setTimeout(20);
}

test("what cannot be run is refused in words that name it, with Docker's exit code, and leaves nothing", async () => {
  await daemon.docker("run", "--rm", "busybox", "true");
  const profile = join(daemon.folder, "profile.json");
  const rule = { names: ["mkdir"], action: "SCMP_ACT_MAYBE" };
  writeFileSync(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
  const before = traces();
  const results: unknown[] = [];
  for (const [flags, , words] of REFUSALS) {
    const done = await daemon.docker(
      "run",
      "--rm",
      ...flags.replace("PROFILE", profile).split(" "),
      "busybox",
      "true",
    );
    results.push([flags, done.exitCode, done.stderr.includes(words) ? words : done.stderr]);
    expect([flags, traces()]).toEqual([flags, before]);
  }
  expect(results).toEqual(REFUSALS.map((refusal) => [...refusal]));
  await linksAreGone();
}, 90_000);
