import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { ofDockerClient, startDaemon, type TestDaemon, untilSize } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const busybox = (...args: string[]) => daemon.docker("run", "--rm", "busybox", ...args);

describe("run with the real docker CLI", () => {
  test("hello-world says what happened, without a network to pull from", async () => {
    const { stdout, exitCode } = await daemon.docker("run", "--rm", "hello-world");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("Hello from Gantry");
  });

  test("stdout and stderr arrive on their own descriptors", async () => {
    const { stdout, stderr } = await busybox("sh", "-c", "echo out; echo err >&2");
    expect({ stdout, stderr }).toEqual({ stdout: "out\n", stderr: "err\n" });
  });

  test.each([
    [["sh", "-c", "exit 7"], 7],
    [["sh", "-c", "sleep 1000 & kill -9 $!; wait $!"], 137],
    [["no-such-program"], 127],
    [["/etc"], ofDockerClient("exitCodeOfFolder")],
    [["/etc/passwd"], 126],
    [["/no/such/path"], 127],
  ])("%p exits with %p", async (args, code) => {
    expect((await busybox(...args)).exitCode).toBe(code);
  });

  test("a missing program is named in Docker's words, and nothing is left", async () => {
    const { stderr } = await busybox("no-such-program");
    expect(stderr).toContain('exec: "no-such-program": executable file not found in $PATH');
    expect((await daemon.docker("ps", "-aq")).stdout).toBe("");
  });

  test("500 kB of stdin pass through run -i, and end of file ends it", async () => {
    const input = "x".repeat(500_000);
    const { stdout } = await daemon.docker({ input }, "run", "--rm", "-i", "busybox", "wc", "-c");
    expect(stdout.trim()).toBe("500000");
  });

  test("environment, working directory, user and hostname are as asked for", async () => {
    const script = "echo $A $HOME; pwd; id -u; id -g; hostname";
    const { stdout } = await daemon.docker(
      ...[
        "run",
        "--rm",
        "-e",
        "A=b",
        "-w",
        "/made/here",
        "-u",
        "7:8",
        "-h",
        "name",
        "busybox",
        "sh",
        "-c",
        script,
      ],
    );
    expect(stdout.split("\n")).toEqual(["b /", "/made/here", "7", "8", "name", ""]);
  });

  test("an unknown user is refused by name", async () => {
    const { stderr, exitCode } = await daemon.docker("run", "--rm", "-u", "nobody-here", "busybox", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("unable to find user nobody-here: no matching entries in passwd file");
  });

  test("-t gives a terminal with the size of the client's", async () => {
    const { stdout } = await daemon.inTerminal(
      { rows: 33, columns: 101 },
      "run",
      "--rm",
      "-it",
      "busybox",
      "sh",
      "-c",
      `tty; ${untilSize(33, 101)}; stty size`,
    );
    expect(stdout).toContain("/dev/pts/0");
    expect(stdout).toContain("33 101");
  });

  test("a container has its own processes, and pid 1 is its program", async () => {
    const { stdout } = await busybox("sh", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l");
    expect(stdout.split("\n")[0]).toBe("1");
    expect(Number(stdout.split("\n")[1])).toBeLessThan(5);
  });

  test("the default capabilities are Docker's fourteen, and seccomp filters", async () => {
    const { stdout } = await busybox("grep", "-E", "Cap|Seccomp:", "/proc/self/status");
    expect(stdout).toContain("CapEff:\t00000000a80425fb");
    expect(stdout).toContain("CapBnd:\t00000000a80425fb");
    expect(stdout).toContain("CapAmb:\t0000000000000000");
    expect(stdout).toContain("Seccomp:\t2");
  });

  test("capabilities can be added and dropped", async () => {
    const { stdout } = await daemon.docker(
      ...[
        "run",
        "--rm",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "NET_ADMIN",
        "busybox",
        "grep",
        "CapEff",
        "/proc/self/status",
      ],
    );
    expect(stdout).toBe("CapEff:\t0000000000001000\n");
  });

  test("--read-only makes the root read-only and leaves tmpfs writable", async () => {
    const { stdout, stderr } = await daemon.docker(
      ...[
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/scratch",
        "busybox",
        "sh",
        "-c",
        "touch /x; touch /scratch/y && echo ok",
      ],
    );
    expect(stderr).toContain("Read-only file system");
    expect(stdout).toBe("ok\n");
  });

  test("--privileged sees all capabilities and every device", async () => {
    const { stdout } = await daemon.docker(
      ...[
        "run",
        "--rm",
        "--privileged",
        "busybox",
        "sh",
        "-c",
        "grep CapEff /proc/self/status; ls /dev/kmsg",
      ],
    );
    expect(stdout).toContain("/dev/kmsg");
    expect(stdout).not.toContain("a80425fb");
  });

  test("masked paths are empty and read-only ones refuse writes", async () => {
    const { stdout, stderr } = await busybox(
      "sh",
      "-c",
      "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null; ls -A /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : ; echo 1 > /proc/sys/kernel/panic",
    );
    expect(stdout.trim()).toBe("");
    expect(stderr).toContain("Read-only file system");
  });

  test.each([
    [["--memory", "1m"], "Minimum memory limit allowed is 6MB"],
    [["--cap-add", "NOPE"], "invalid CapAdd: unknown capability"],
    [["--name", "a/b"], "Invalid container name (a/b)"],
    [["-v", "/a:/b:what"], "invalid mode: what"],
    [["--network", "no-such-net"], "no-such-net"],
  ])("%p is refused with one clear sentence", async (flags, message) => {
    const { stderr, exitCode } = await daemon.docker("run", "--rm", ...flags, "busybox", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain(message);
  });
});

describe("limits", () => {
  const limited = async (flags: string[], script: string) =>
    (await daemon.docker("run", "--rm", ...flags, "busybox", "sh", "-c", script)).stdout.trim();

  test("memory, cpu and pids limits are seen from inside", async () => {
    const file = (v1: string, v2: string) =>
      `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`;
    expect(await limited(["-m", "64m"], file("memory/memory.limit_in_bytes", "memory.max"))).toBe("67108864");
    expect(await limited(["--pids-limit", "50"], file("pids/pids.max", "pids.max"))).toBe("50");
    expect(await limited(["--cpuset-cpus", "0"], "nproc")).toBe("1");
  });

  test("a parent of one's own is made where it is missing, whatever way up its name takes", async () => {
    const parent = `gantry-parent-${process.pid}`;
    const flags = ["--cgroup-parent", `../../${parent}`];
    expect(await limited(flags, "cat /proc/self/cgroup")).toContain(`:/${parent}/`);
    for (const hierarchy of ["", ...readdirSync("/sys/fs/cgroup")]) {
      const group = join("/sys/fs/cgroup", hierarchy, parent);
      if (existsSync(group)) rmdirSync(group);
    }
  });

  test("the kernel kills what takes too much memory, and inspect says so", async () => {
    const name = "greedy";
    const eat = "x=a; while true; do x=$x$x; done";
    const { exitCode } = await daemon.docker(
      "run",
      "--name",
      name,
      "-m",
      "16m",
      "--memory-swap",
      "16m",
      "busybox",
      "sh",
      "-c",
      eat,
    );
    expect(exitCode).toBe(137);
    expect((await daemon.docker("inspect", "-f", "{{.State.OOMKilled}}", name)).stdout).toBe("true\n");
    await daemon.docker("rm", name);
  });

  test("ulimits and shm size", async () => {
    expect(await limited(["--ulimit", "nofile=123:456"], "ulimit -n; ulimit -Hn")).toBe("123\n456");
    expect(await limited(["--shm-size", "8m"], "df -k /dev/shm | tail -1 | awk '{print $2}'")).toBe("8192");
  });
});
