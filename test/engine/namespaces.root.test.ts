import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { ofDockerClient, startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const namespaceIn = (kind: string, ...flags: string[]) =>
  docker("run", "--rm", ...flags, "busybox", "readlink", `/proc/self/ns/${kind}`);
const ofHost = (kind: string) => readlinkSync(`/proc/self/ns/${kind}`);

describe("a namespace mode", () => {
  test("host is the host's, and its own is not", async () => {
    for (const [kind, flag] of [
      ["pid", "--pid"],
      ["ipc", "--ipc"],
      ["uts", "--uts"],
      ["net", "--network"],
      ["cgroup", "--cgroupns"],
    ] as const) {
      expect(await namespaceIn(kind, `${flag}=host`)).toBe(ofHost(kind));
      const own = kind === "cgroup" ? ["--cgroupns=private"] : [];
      expect(await namespaceIn(kind, ...own)).not.toBe(ofHost(kind));
    }
    expect(await namespaceIn("user", "--userns=host")).toBe(ofHost("user"));
  }, 30_000);

  test("container:ID is the other one's", async () => {
    await docker("run", "-d", "--name", "donor", "--ipc", "shareable", "busybox", "sleep", "1000");
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", "donor");
    for (const [kind, flag] of [
      ["pid", "--pid"],
      ["ipc", "--ipc"],
      ["net", "--network"],
    ] as const) {
      const inside = await namespaceIn(kind, `${flag}=container:donor`);
      expect(inside).toBe(readlinkSync(`/proc/${pid}/ns/${kind}`));
    }
    expect(
      await docker("run", "--rm", "--pid=container:donor", "busybox", "cat", "/proc/1/cmdline"),
    ).toContain("sleep");
    await docker("rm", "-f", "donor");
  }, 30_000);

  test("a shared IPC namespace shares /dev/shm too; a private one cannot be joined", async () => {
    await docker(
      "run",
      "-d",
      "--name",
      "shm",
      "--ipc",
      "shareable",
      "--shm-size",
      "3m",
      "busybox",
      "sleep",
      "1000",
    );
    await docker("run", "--rm", "--ipc", "container:shm", "busybox", "sh", "-c", "echo both > /dev/shm/x");
    expect(await docker("exec", "shm", "cat", "/dev/shm/x")).toBe("both");
    expect(
      await docker(
        "run",
        "--rm",
        "--ipc",
        "container:shm",
        "busybox",
        "sh",
        "-c",
        "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2",
      ),
    ).toBe("3072");
    // A link in the donor's root leads nowhere but within it.
    await docker("run", "-d", "--name", "priv", "busybox", "sleep", "1000");
    expect((await daemon.docker("run", "--rm", "--ipc", "container:priv", "busybox", "true")).stderr).toMatch(
      /failed to join IPC namespace: container \w{64}: non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)/,
    );
    expect(
      await docker(
        "run",
        "--rm",
        "--ipc",
        "none",
        "busybox",
        "sh",
        "-c",
        "grep -c ' /dev/shm ' /proc/mounts",
      ),
    ).toBe("0");
    await docker("rm", "-f", "shm", "priv");
    expect(
      (await daemon.docker("run", "--rm", "--pid", "container:shm", "busybox", "true")).stderr,
    ).toContain("No such container: shm");
  }, 30_000);

  test("a container that does not run cannot be joined", async () => {
    await docker("create", "--name", "asleep", "--ipc", "shareable", "busybox", "true");
    for (const [flag, words] of [
      ["--pid", /failed to join PID namespace: container \w{64} is not running/],
      ["--ipc", /failed to join IPC namespace: container \w{64} is not running/],
      ["--network", /cannot join network of a non running container: \w{64}/],
    ] as const) {
      const { exitCode, stderr } = await daemon.docker(
        "run",
        "--rm",
        flag,
        "container:asleep",
        "busybox",
        "true",
      );
      expect([exitCode, words.test(stderr)]).toEqual([125, true]);
    }
    await docker("rm", "asleep");
  }, 30_000);
});

test("combinations that make no sense are refused in Docker's words", async () => {
  const refusals: [string[], string][] = [
    [["--uts=host", "--hostname=x"], "conflicting options: hostname and the UTS mode"],
    [["--network=container:x", "--dns=1.1.1.1"], "conflicting options: dns and the network mode"],
    [
      ["--network=container:x", "--add-host=a:1.1.1.1"],
      "conflicting options: custom host-to-IP mapping and the network mode",
    ],
    [
      ["--network=container:x", "-p", "80"],
      "conflicting options: port publishing and the container type network mode",
    ],
    [
      ["--network=container:x", "--expose", "80"],
      "conflicting options: port exposing and the container type network mode",
    ],
    [["--network=container:x", "--hostname=x"], "conflicting options: hostname and the network mode"],
    [["--network=host", "--sysctl", "net.core.somaxconn=1"], "not allowed in host network namespace"],
    [["--ipc=host", "--sysctl", "kernel.msgmax=1"], "not allowed in host ipc namespace"],
    [["--sysctl", "vm.swappiness=1"], `is not ${ofDockerClient("allowed")}`],
    [["--restart=always", "--rm"], ""],
    [["--uts=bogus"], "invalid UTS mode"],
    [["--pid=bogus"], "invalid PID mode"],
    [["--userns=bogus"], "invalid USER mode"],
    [["--cgroupns=bogus"], "invalid CGROUP mode"],
    [["--pid=container:nope"], "No such container: nope"],
    [["--ipc=container:nope"], "No such container: nope"],
    [
      ["--network=container:x", "-P"],
      "conflicting options: port publishing and the container type network mode",
    ],
    [["--network=container:x", "--link=x"], ofDockerClient("linksOfAnother")],
    [["--network=host", "--link=x"], ofDockerClient("linksOfHost")],
    [
      ["--network=none", "--ip=1.2.3.4"],
      "user specified IP address is supported on user defined networks only",
    ],
    [["--cpuset-mems=9"], "Requested memory nodes are not available - requested 9, available: 0"],
    [["--cpus=1", "--cpu-period=1000"], "Conflicting options: Nano CPUs and CPU Period cannot both be set"],
    [["--tmpfs", "/"], "invalid specification: destination can't be '/'"],
    [["--memory=1m"], "Minimum memory limit allowed is 6MB"],
    [["--cpus=99"], "Range of CPUs is from 0.01 to"],
    [["--ulimit", "nofile=9:1"], "ulimit"],
    [["--cap-add", "NOPE"], "unknown capability"],
    [["--security-opt", "bogus=1"], 'invalid --security-opt 2: "bogus=1"'],
    [["--device-cgroup-rule", "c x:y z"], "invalid device cgroup"],
    [["--oom-score-adj", "2000"], "range for oom score adj is [-1000, 1000]"],
    [["--blkio-weight", "5"], ""],
  ];
  for (const [flags, words] of refusals) {
    const { exitCode, stderr } = await daemon.docker("run", ...flags, "busybox", "true");
    expect([flags, exitCode, stderr.includes(words)]).toEqual([flags, 125, true]);
  }
  // Docker's client refuses it in words of its own.
  const HostConfig = { Sysctls: { "kernel.core_pattern": "x" } };
  const sysctl = await daemon.api("POST", "/containers/create", { Image: "busybox", HostConfig });
  expect(sysctl.body).toContain("sysctl 'kernel.core_pattern' is not allowed");
  expect(await docker("ps", "-aq", "--filter", "status=running")).toBe("");
  const discarded = await daemon.docker("run", "--rm", "--network=host", "-p", "80:80", "busybox", "true");
  expect(discarded.stderr).toBe("WARNING: Published ports are discarded when using host network mode\n");
}, 60_000);

test("sysctls of the container's own namespaces are set", async () => {
  const flags = [
    "--sysctl",
    "net.core.somaxconn=77",
    "--sysctl",
    "kernel.msgmax=4096",
    "--sysctl",
    "net.ipv4.ip_forward=1",
  ];
  const files = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward";
  expect(await docker("run", "--rm", ...flags, "busybox", "sh", "-c", files)).toBe("77\n4096\n1");
}, 30_000);
