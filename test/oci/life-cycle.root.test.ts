import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestBundle } from "./bundle.ts";

const shell = (script: string) => ({ process: { args: ["sh", "-c", script] } });

test("run gives the program's output, stdin and exit code, and leaves nothing behind", async () => {
  await using bundle = new TestBundle();
  bundle.configure(shell("cat; hostname; echo oops >&2; exit 7"));
  const { exitCode, stdout, stderr } = await bundle.oci(
    { input: "typed\n" },
    "run",
    "--bundle",
    bundle.bundle,
    bundle.id,
  );
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 7, stdout: "typed\nbundled\n", stderr: "oops\n" });
  expect((await bundle.oci("list", "--quiet")).stdout).toBe("");
  expect(existsSync(`/sys/fs/cgroup/pids${bundle.cgroup}`)).toBe(false);
}, 30_000);

test("create, start, pause, resume, kill, delete: each state is what the specification calls it", async () => {
  await using bundle = new TestBundle();
  bundle.configure(shell("echo begun > /tmp/begun; exec sleep 1000"));
  expect(await bundle.create("--pid-file", join(bundle.folder, "pid"))).toMatchObject({
    exitCode: 0,
    stderr: "",
  });
  const created = await bundle.state();
  expect(created).toMatchObject({
    id: bundle.id,
    status: "created",
    bundle: bundle.bundle,
    ociVersion: "1.0.2",
  });
  expect(String(created.pid)).toBe(readFileSync(join(bundle.folder, "pid"), "utf8"));
  expect(existsSync(join(bundle.rootfs, "tmp/begun"))).toBe(false);
  expect((await bundle.create()).stderr).toContain("container with given ID already exists");
  expect(await bundle.oci("start", bundle.id)).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await bundle.state()).status).toBe("running");
  expect((await bundle.oci("start", bundle.id)).stderr).toContain(
    "cannot start an already running container",
  );
  expect((await bundle.oci("exec", bundle.id, "cat", "/tmp/begun")).stdout).toBe("begun\n");
  expect((await bundle.oci("pause", bundle.id)).exitCode).toBe(0);
  expect((await bundle.state()).status).toBe("paused");
  expect((await bundle.oci("exec", bundle.id, "true")).stderr).toContain("cannot exec in a paused container");
  expect((await bundle.oci("resume", bundle.id)).exitCode).toBe(0);
  expect((await bundle.oci("delete", bundle.id)).stderr).toContain("that is not stopped: running");
  expect(JSON.parse((await bundle.oci("ps", "--format", "json", bundle.id)).stdout)).toEqual([created.pid]);
  await bundle.oci("kill", bundle.id, "KILL");
  while (existsSync(`/proc/${created.pid}/exe`)) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await bundle.state()).toMatchObject({ status: "stopped", pid: 0 });
  expect((await bundle.oci("kill", bundle.id, "KILL")).stderr).toContain("container not running");
  expect((await bundle.oci("start", bundle.id)).stderr).toContain(
    "cannot start a container that has stopped",
  );
  expect((await bundle.oci("delete", bundle.id)).exitCode).toBe(0);
  expect((await bundle.oci("state", bundle.id)).stderr).toContain("container does not exist");
  expect((await bundle.oci("delete", bundle.id)).exitCode).toBe(1);
  expect((await bundle.oci("delete", "--force", bundle.id)).exitCode).toBe(0);
}, 60_000);

test("a created container that is never started goes with delete", async () => {
  await using bundle = new TestBundle();
  await bundle.create();
  const { pid } = await bundle.state();
  expect((await bundle.oci("delete", bundle.id)).exitCode).toBe(0);
  expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
}, 30_000);

test("exec takes a process from a file or from flags, detached or not, with its own exit code", async () => {
  await using bundle = new TestBundle();
  bundle.configure(shell("exec sleep 1000"));
  await bundle.runDetached();
  expect((await bundle.oci("exec", bundle.id, "sh", "-c", "exit 5")).exitCode).toBe(5);
  const flags = ["--user", "7:8", "--cwd", "/tmp", "--env", "A=b"];
  expect(
    (
      await bundle.oci(
        "exec",
        ...flags,
        bundle.id,
        "sh",
        "-c",
        "id -u; id -g; readlink /proc/self/cwd; echo $A",
      )
    ).stdout,
  ).toBe("7\n8\n/tmp\nb\n");
  const file = join(bundle.folder, "process.json");
  writeFileSync(
    file,
    JSON.stringify({ args: ["sh", "-c", "echo detached > /tmp/d"], cwd: "/", env: ["PATH=/bin"], user: {} }),
  );
  const detach = ["--process", file, "--detach", "--pid-file", join(bundle.folder, "p")];
  expect(await bundle.detached("exec", ...detach, bundle.id)).toMatchObject({ exitCode: 0, stderr: "" });
  expect(
    (await bundle.oci("exec", bundle.id, "sh", "-c", "until [ -s /tmp/d ]; do :; done; cat /tmp/d")).stdout,
  ).toBe("detached\n");
  expect(Number(readFileSync(join(bundle.folder, "p"), "utf8"))).toBeGreaterThan(1);
  const missing = await bundle.oci("exec", bundle.id, "nope");
  expect([missing.exitCode, missing.stderr.includes("executable file not found in $PATH")]).toEqual([
    1,
    true,
  ]);
}, 60_000);

describe("hooks", () => {
  test("run at their stages, in their namespaces, with the state on stdin", async () => {
    await using bundle = new TestBundle();
    const out = join(bundle.folder, "hooks");
    const host = (name: string) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `echo ${name} $(readlink /proc/self/ns/uts) $(cat) >> ${out}`],
      env: ["PATH=/bin:/usr/bin"],
    });
    const inside = {
      path: "/bin/sh",
      args: ["sh", "-c", "echo startContainer $(hostname) $(cat) > /tmp/hook"],
      env: ["PATH=/bin"],
    };
    bundle.configure({
      process: { args: ["cat", "/tmp/hook"] },
      hooks: {
        prestart: [host("prestart")],
        createRuntime: [host("createRuntime")],
        createContainer: [host("createContainer")],
        startContainer: [inside],
        poststart: [host("poststart")],
        poststop: [host("poststop")],
      },
    });
    const { stdout, stderr } = await bundle.run();
    expect(stderr).toBe("");
    const [name, hostname, ...json] = stdout.trim().split(" ");
    expect([name, hostname]).toEqual(["startContainer", "bundled"]);
    expect(JSON.parse(json.join(" "))).toMatchObject({ id: bundle.id, status: "created", pid: 1 });
    const lines = readFileSync(out, "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const [stage, namespace, ...rest] = line.split(" ");
        const { status, pid } = JSON.parse(rest.join(" "));
        return { stage, isHost: namespace === readNamespace(), status, hasPid: pid > 0 };
      });
    expect(lines).toEqual([
      { stage: "prestart", isHost: true, status: "creating", hasPid: true },
      { stage: "createRuntime", isHost: true, status: "creating", hasPid: true },
      { stage: "createContainer", isHost: false, status: "creating", hasPid: true },
      { stage: "poststart", isHost: true, status: "running", hasPid: true },
      { stage: "poststop", isHost: true, status: "stopped", hasPid: false },
    ]);
  }, 30_000);

  test("that fail or hang end the creation, and nothing is left", async () => {
    await using bundle = new TestBundle();
    const failing = { path: "/bin/sh", args: ["sh", "-c", "echo why >&2; exit 3"] };
    const hanging = { path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1 };
    for (const [stage, hook, words] of [
      ["createRuntime", failing, "exit status 3: why"],
      ["createContainer", failing, "ended with exit status 3: why"],
      ["prestart", hanging, "took longer than its timeout"],
      ["createContainer", hanging, "took longer than its timeout"],
    ] as const) {
      bundle.configure({ hooks: { [stage]: [hook] } });
      const { exitCode, stderr } = await bundle.create();
      expect([stage, exitCode, stderr.includes(words) ? words : stderr]).toEqual([stage, 1, words]);
      expect((await bundle.oci("list", "--quiet")).stdout).toBe("");
      expect(existsSync(`/sys/fs/cgroup/pids${bundle.cgroup}`)).toBe(false);
    }
  }, 60_000);
});

test("limits of the bundle, update and events meet in the same control group", async () => {
  await using bundle = new TestBundle();
  const limits = { memory: { limit: 64 << 20 }, pids: { limit: 20 }, cpu: { shares: 512 } };
  bundle.configure({
    ...shell("exec sleep 1000"),
    linux: { resources: { devices: [{ allow: false, access: "rwm" }], ...limits } },
  });
  await bundle.runDetached();
  const stats = JSON.parse((await bundle.oci("events", "--stats", bundle.id)).stdout);
  expect([stats.type, stats.data.memory.usage.limit, stats.data.pids]).toEqual([
    "stats",
    64 << 20,
    { current: 1, limit: 20 },
  ]);
  expect((await bundle.oci("update", "--pids-limit", "9", bundle.id)).exitCode).toBe(0);
  expect(
    (await bundle.oci({ input: '{"memory":{"limit":33554432}}' }, "update", "-r", "-", bundle.id)).stderr,
  ).toBe("");
  const after = JSON.parse((await bundle.oci("events", "--stats", bundle.id)).stdout);
  expect([after.data.memory.usage.limit, after.data.pids.limit]).toEqual([32 << 20, 9]);
}, 60_000);

test("a terminal in the foreground, descriptors that are passed on, and a log in JSON", async () => {
  await using bundle = new TestBundle();
  bundle.configure({
    process: {
      terminal: true,
      args: ["sh", "-c", "stty size; test -t 0 && echo tty"],
      consoleSize: { height: 20, width: 70 },
    },
  });
  const run = await bundle.run();
  expect(run.stdout).toBe("20 70\r\ntty\r\n");
  expect((await bundle.create()).stderr).toContain(
    "cannot allocate tty if runc will detach without setting console socket",
  );
  const log = join(bundle.folder, "log");
  await bundle.oci("--log", log, "--log-format", "json", "start", "nobody");
  expect(JSON.parse(readFileSync(log, "utf8"))).toMatchObject({
    level: "error",
    msg: "container does not exist",
  });
}, 30_000);

test("features and spec describe this runtime; checkpoint is refused", async () => {
  await using bundle = new TestBundle();
  const features = JSON.parse((await bundle.oci("features")).stdout);
  expect(features.ociVersionMax).toBe("1.2.0");
  expect(features.linux.namespaces).toContain("time");
  await bundle.oci("spec", "--bundle", bundle.folder);
  const template = JSON.parse(readFileSync(join(bundle.folder, "config.json"), "utf8"));
  expect(template.process.args).toEqual(["sh"]);
  expect((await bundle.oci("spec", "--bundle", bundle.folder)).stderr).toContain("File config.json exists");
  expect(await bundle.oci("checkpoint", "x")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("checkpoint is not supported"),
  });
}, 30_000);

test("time offsets, personality, scheduler and IO priority reach the process", async () => {
  await using bundle = new TestBundle();
  const namespaces = ["pid", "network", "ipc", "uts", "mount", "time"].map((type) => ({ type }));
  bundle.configure({
    process: {
      args: ["sh", "-c", "cat /proc/uptime; cat /proc/self/stat; cat /proc/self/timens_offsets"],
      scheduler: { policy: "SCHED_BATCH", nice: 5 },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 6 },
    },
    linux: { namespaces, timeOffsets: { boottime: { secs: 1_000_000 } }, personality: { domain: "LINUX32" } },
  });
  const { stdout, stderr } = await bundle.run();
  expect(stderr).toBe("");
  const [uptime = "", stat = "", ...offsets] = stdout.split("\n");
  expect(Number(uptime.split(" ")[0])).toBeGreaterThan(1_000_000);
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Fields 19 (nice) and 41 (policy) of proc_pid_stat(5).
  expect([words[16], words[38]]).toEqual(["5", "3"]);
  expect(offsets.join("\n")).toMatch(/boottime +1000000 +0/);
}, 30_000);

test("clocks of its own are the exec's too, and those of a container that joins its time namespace", async () => {
  await using own = new TestBundle();
  await using joining = new TestBundle();
  const others = ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type }));
  const clocks = "cat /proc/uptime /proc/self/timens_offsets";
  own.configure({
    process: { args: ["sleep", "1000"] },
    linux: {
      namespaces: [...others, { type: "time" }],
      timeOffsets: { boottime: { secs: 1_000_000 }, monotonic: { secs: 500, nanosecs: 7 } },
    },
  });
  await own.create();
  await own.oci("start", own.id);
  const { pid } = await own.state();
  expect(readlinkSync(`/proc/${pid}/ns/time`)).not.toBe(readlinkSync("/proc/self/ns/time"));
  joining.configure({
    process: { args: ["sh", "-c", clocks] },
    linux: { namespaces: [...others, { type: "time", path: `/proc/${pid}/ns/time` }] },
  });
  for (const { stdout } of [await own.oci("exec", own.id, "sh", "-c", clocks), await joining.run()]) {
    expect(Number.parseFloat(stdout)).toBeGreaterThan(1_000_000);
    expect(stdout).toMatch(/monotonic +500 +7\nboottime +1000000 +0\n/);
  }
}, 30_000);

const readNamespace = () => readlinkSync("/proc/self/ns/uts");

test("a bundle with a user namespace and its maps: root inside, another user outside, devices and an exec in it", async () => {
  await using bundle = new TestBundle();
  const mapping = [{ containerID: 0, hostID: 2_000_000_000, size: 65_536 }];
  bundle.configure({
    process: { args: ["sh", "-c", "id -u; echo x > /dev/null; exec sleep 1000"] },
    linux: {
      namespaces: ["user", "pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
      uidMappings: mapping,
      gidMappings: mapping,
    },
  });
  expect(await bundle.create()).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await bundle.oci("start", bundle.id)).exitCode).toBe(0);
  const { pid } = await bundle.state();
  expect(readFileSync(`/proc/${pid}/uid_map`, "utf8").trim().split(/\s+/)).toEqual([
    "0",
    "2000000000",
    "65536",
  ]);
  const exec = await bundle.oci("exec", bundle.id, "sh", "-c", "id -u; stat -c %u:%t:%T /dev/zero");
  expect(exec).toMatchObject({ exitCode: 0, stdout: "0\n0:1:5\n" });
  expect((await bundle.oci("delete", "--force", bundle.id)).exitCode).toBe(0);
}, 30_000);
