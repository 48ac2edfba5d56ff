import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installCrun, startDaemon, type TestDaemon, untilSize } from "../harness/index.ts";

let daemon: TestDaemon;
const folder = mkdtempSync(join(tmpdir(), "gantry-runtimes-"));

beforeAll(async () => {
  const crun = installCrun(folder);
  daemon = await startDaemon(["--add-runtime", "second=/usr/sbin/runc", "--add-runtime", `crun=${crun}`]);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();

/** What a container of another runtime leaves: its bundle, its state with the runtime, its task, its control groups. */
const traces = () => [
  ...["bundles", "tasks", "runtimes/runc", "runtimes/crun"].flatMap((name) => {
    const folder = join(daemon.folder, "exec", name);
    return existsSync(folder) ? readdirSync(folder).filter((entry) => !entry.startsWith(".")) : [];
  }),
  ...readdirSync(`/sys/fs/cgroup/memory/${daemon.name}`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name),
];

for (const runtime of ["runc", "crun"]) {
  const run = (...args: string[]) => daemon.docker("run", "--rm", "--runtime", runtime, ...args);

  test(`${runtime} makes a container: output, exit status, limits, files and network are what was asked for`, async () => {
    const script = "echo out; echo err >&2; hostname; cat /proc/1/comm; id -u; cat /data/made; exit 7";
    await docker("volume", "create", `v-${runtime}`);
    await docker(
      "run",
      "--rm",
      "-v",
      `v-${runtime}:/data`,
      "busybox",
      "sh",
      "-c",
      "echo volume > /data/made",
    );
    const done = await run(
      "-h",
      "box",
      "-u",
      "33:34",
      "-v",
      `v-${runtime}:/data`,
      "busybox",
      "sh",
      "-c",
      script,
    );
    expect(done).toMatchObject({ exitCode: 7, stdout: "out\nbox\nsh\n33\nvolume\n", stderr: "err\n" });
    const seen = await run(
      "-m",
      "32m",
      "busybox",
      "sh",
      "-c",
      "ip route | grep -c ^default; cat /sys/fs/cgroup/memory/memory.limit_in_bytes; grep Seccomp: /proc/self/status; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
    );
    expect(seen.stdout).toBe("1\n33554432\nSeccomp:\t2\n0\n");
    const flags = "--network none --cap-drop ALL --read-only".split(" ");
    const confined = "ip -o link | cut -d: -f2; grep CapEff /proc/self/status; touch /x";
    const bare = await run(...flags, "busybox", "sh", "-c", confined);
    expect(bare).toMatchObject({ exitCode: 1, stdout: " lo\nCapEff:\t0000000000000000\n" });
    expect(bare.stderr).toContain("Read-only file system");
    await docker("volume", "rm", `v-${runtime}`);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`a program that ${runtime} cannot execute is told in Docker's words, and leaves nothing`, async () => {
    const missing = await run("busybox", "no-such-program");
    expect([missing.exitCode, /not found in \$PATH/.test(missing.stderr)]).toEqual([127, true]);
    const forbidden = await run("busybox", "/etc/passwd");
    expect(forbidden.exitCode).toBe(126);
    const nobody = await run("-u", "nobody-at-all", "busybox", "true");
    expect(nobody.stderr).toContain("unable to find user nobody-at-all: no matching entries in passwd file");
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`exec, top, pause, update, stats and signals work on a container of ${runtime}`, async () => {
    const name = `busy-${runtime}`;
    await docker(
      "run",
      "-d",
      "--runtime",
      runtime,
      "--name",
      name,
      "-m",
      "64m",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 9' USR1; while :; do sleep 0.05; done",
    );
    const exec = await daemon.docker(
      "exec",
      "-e",
      "A=b",
      "-w",
      "/tmp",
      name,
      "sh",
      "-c",
      "echo $A $(pwd) $$; exit 5",
    );
    expect([exec.exitCode, /^b \/tmp \d+\n$/.test(exec.stdout)]).toEqual([5, true]);
    const piped = await daemon.docker({ input: "through\n" }, "exec", "-i", name, "cat");
    expect(piped.stdout).toBe("through\n");
    const none = await daemon.docker("exec", name, "no-such-program");
    expect([none.exitCode, none.stdout]).toEqual([127, expect.stringContaining("OCI runtime exec failed")]);
    expect(await docker("top", name)).toContain("while :");
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", name);
    expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("sh\n");

    await docker("pause", name);
    expect(await docker("inspect", "-f", "{{.State.Status}}", name)).toBe("paused");
    await docker("unpause", name);
    await docker("update", "-m", "48m", "--memory-swap", "96m", name);
    expect(await docker("exec", name, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes")).toBe("50331648");
    expect(await docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name)).toContain("/ 48MiB");

    await docker("kill", "-s", "USR1", name);
    expect(await docker("wait", name)).toBe("9");
    await docker("rm", name);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`what ${runtime} has no words for is mounted before it is called`, async () => {
    const volume = `full-${runtime}`;
    const filled = await run(
      "-v",
      `${volume}:/bin`,
      "busybox",
      "sh",
      "-c",
      "mkdir /bin/sub; echo below > /bin/sub/file",
    );
    expect(filled).toMatchObject({ exitCode: 0, stderr: "" });
    const below = `type=volume,source=${volume},target=/s,volume-subpath=sub,readonly`;
    const subpath = await daemon.gantry(
      ..."run --rm --runtime".split(" "),
      runtime,
      "--mount",
      below,
      "busybox",
      "sh",
      "-c",
      "cat /s/file; touch /s/x",
    );
    expect(subpath).toMatchObject({ exitCode: 1, stdout: "below\n" });
    expect(subpath.stderr).toContain("Read-only file system");
    const donor = `donor-${runtime}`;
    await docker(
      "run",
      "-d",
      "--runtime",
      runtime,
      "--name",
      donor,
      "--ipc",
      "shareable",
      "busybox",
      "sh",
      "-c",
      "echo shared > /dev/shm/file; exec sleep 1000",
    );
    const joining = [
      "--network",
      `container:${donor}`,
      "--pid",
      `container:${donor}`,
      "--ipc",
      `container:${donor}`,
    ];
    const joined = await run(
      ...joining,
      "busybox",
      "sh",
      "-c",
      "cat /dev/shm/file; ps | grep -c '[s]leep 1000'",
    );
    expect(joined.stdout).toBe("shared\n1\n");
    await docker("rm", "-f", donor);
    await docker("volume", "rm", volume);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`${runtime} gives what the engine has to give, and no more`, async () => {
    const own = /^CapPrm:\s*(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    const privileged = await run(
      "--privileged",
      "--oom-score-adj",
      "-900",
      "busybox",
      "grep",
      "CapBnd",
      "/proc/self/status",
    );
    expect(privileged.stdout).toBe(`CapBnd:\t${own}\n`);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`an init of ${runtime} is process 1, passes signals on and reaps`, async () => {
    const script =
      "trap 'exit 9' USR1; cat /proc/1/comm; echo pid $$; (true &); while :; do sleep 0.05; done";
    const flags = ["--name", "init", "--runtime", runtime, "--init", "-u", "5:6"];
    await docker("run", "-d", ...flags, "busybox", "sh", "-c", script);
    await daemon.untilLog("init", "pid");
    expect(await docker("logs", "init")).toMatch(/^gantry-init\npid [^1]/);
    expect(await docker("exec", "init", "ps", "-o", "stat")).not.toContain("Z");
    await docker("kill", "-s", "USR1", "init");
    expect(await docker("wait", "init")).toBe("9");
    await docker("rm", "init");
    const missing = await run("--init", "busybox", "no-such-program");
    expect(missing).toMatchObject({
      exitCode: 127,
      stderr: expect.stringContaining("no-such-program failed"),
    });
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`a person types at a container of ${runtime}`, async () => {
    const input = `${untilSize(20, 60)}\nstty size\nexit 4\n`;
    const typed = await daemon.inTerminal(
      { rows: 20, columns: 60, input },
      "run",
      "--rm",
      "-it",
      "--runtime",
      runtime,
      "busybox",
      "sh",
    );
    expect(typed.stdout).toContain("\r\n20 60\r\n");
    expect(typed.exitCode).toBe(4);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`a terminal of ${runtime} has the client's size, and follows it`, async () => {
    const name = `tty-${runtime}`;
    const done = await run(
      "-t",
      "--name",
      name,
      "busybox",
      "sh",
      "-c",
      "tty; test -t 0 && test -t 1 && echo terminal",
    );
    expect(done.stdout).toBe(
      "/dev/pts/0\r\nterminal\r\n".replace("/dev/pts/0", done.stdout.split("\r")[0] ?? ""),
    );
    await docker("run", "-dit", "--runtime", runtime, "--name", name, "busybox", "sh");
    await daemon.api("POST", `/containers/${name}/resize?h=33&w=77`);
    const exec = await daemon.docker("exec", "-t", name, "sh", "-c", "test -t 0 && echo terminal");
    expect(exec.stdout).toBe("terminal\r\n");
    expect(await docker("exec", name, "sh", "-c", "stty size < /proc/1/fd/0")).toBe("33 77");
    await docker("rm", "-f", name);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`memory beyond the limit ends a container of ${runtime}, and everybody is told why`, async () => {
    const name = `oom-${runtime}`;
    await docker(
      "run",
      "-d",
      "--runtime",
      runtime,
      "--name",
      name,
      "-m",
      "16m",
      "--memory-swap",
      "16m",
      "busybox",
      "tail",
      "/dev/zero",
    );
    await docker("wait", name);
    expect(await docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", name)).toBe("true 137");
    await docker("rm", name);
    expect(traces()).toEqual([]);
  }, 60_000);

  test(`a container of ${runtime} outlives a daemon that is killed, and is found again`, async () => {
    const name = `live-${runtime}`;
    await docker(
      "run",
      "-d",
      "--runtime",
      runtime,
      "--name",
      name,
      "busybox",
      "sh",
      "-c",
      "trap 'echo two; exit 3' TERM; echo one; while :; do sleep 0.05; done",
    );
    await docker("run", "-d", "--runtime", runtime, "--name", `${name}-2`, "busybox", "sleep", "1000");
    await daemon.untilLog(name, "one");
    const mortal = Number(await docker("inspect", "-f", "{{.State.Pid}}", name));
    const pid = await docker("inspect", "-f", "{{.State.Pid}}", `${name}-2`);
    await daemon.kill9();
    process.kill(mortal, "SIGTERM");
    await daemon.untilProcessEnds(mortal);
    await daemon.start();
    expect(await docker("inspect", "-f", "{{.State.Running}} {{.State.Pid}}", `${name}-2`)).toBe(
      `true ${pid}`,
    );
    expect(await docker("exec", `${name}-2`, "echo", "inside")).toBe("inside");
    expect(await docker("inspect", "-f", "{{.State.ExitCode}}", name)).toBe("3");
    expect(await docker("logs", name)).toBe("one\ntwo");
    await docker("stop", "-t", "1", `${name}-2`);
    expect(await docker("inspect", "-f", "{{.State.ExitCode}}", `${name}-2`)).toBe("137");
    await docker("rm", "-f", name, `${name}-2`);
    expect(traces()).toEqual([]);
  }, 60_000);
}

test("a daemon that is killed in the middle of a launch by another runtime leaves nothing of it", async () => {
  const bundles = watch(join(daemon.folder, "exec/bundles"));
  const cut = daemon.docker("run", "-d", "--runtime", "runc", "--name", "cut", "busybox", "sleep", "1000");
  for await (const _made of bundles) break;
  await daemon.kill9();
  expect((await cut).exitCode).not.toBe(0);
  await daemon.start();
  expect(await docker("inspect", "-f", "{{.State.Status}}", "cut")).toBe("created");
  expect(traces()).toEqual([]);
  await docker("start", "cut");
  await docker("rm", "-f", "cut");
  expect(traces()).toEqual([]);
}, 60_000);

test("info shows the runtimes; one is the default where the daemon is told so; others are refused", async () => {
  const runtimes = JSON.parse(await docker("info", "-f", "{{json .Runtimes}}"));
  expect([runtimes.runc?.path, runtimes.second?.path]).toEqual(["/usr/sbin/runc", "/usr/sbin/runc"]);
  expect(await docker("info", "-f", "{{.DefaultRuntime}}")).toBe("gantry");
  const unknown = await daemon.docker("run", "--runtime", "nope", "busybox", "true");
  expect([unknown.exitCode, unknown.stderr.includes("unknown or invalid runtime name: nope")]).toEqual([
    125,
    true,
  ]);
}, 30_000);

test("a daemon has the default runtime that it is given, and does not start with one that is none", async () => {
  await using other = await startDaemon(["--default-runtime", "runc"]);
  expect((await other.docker("info", "-f", "{{.DefaultRuntime}}")).stdout).toBe("runc\n");
  await other.docker("run", "-d", "--name", "byte", "busybox", "sleep", "1000");
  expect((await other.docker("inspect", "-f", "{{.HostConfig.Runtime}}", "byte")).stdout).toBe("runc\n");
  const planned = await other.gantry("run", "--dry-run", "busybox", "true");
  expect([planned.exitCode, planned.stdout.includes("made by the runtime runc")]).toEqual([0, true]);
  const explained = await other.gantry("explain", "byte");
  expect([explained.exitCode, explained.stdout.includes("waitpid() for the runtime's command")]).toEqual([
    0,
    true,
  ]);
  await expect(startDaemon(["--default-runtime", "nope"])).rejects.toThrow(
    "specified default runtime 'nope' does not exist",
  );
}, 60_000);
