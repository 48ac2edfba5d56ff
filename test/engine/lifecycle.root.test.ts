import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, type TestDaemon, untilSize } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const state = (name: string, field: string) => docker("inspect", "-f", `{{.State.${field}}}`, name);

test("create, start, stop, start again, kill, remove: each state is what Docker calls it", async () => {
  await docker(
    "create",
    "--name",
    "life",
    "busybox",
    "sh",
    "-c",
    "trap 'exit 3' TERM; while :; do sleep 1 & wait; done",
  );
  expect(await state("life", "Status")).toBe("created");
  await docker("start", "life");
  expect(await state("life", "Running")).toBe("true");
  await docker("stop", "life");
  expect([await state("life", "Status"), await state("life", "ExitCode")]).toEqual(["exited", "3"]);
  await docker("start", "life");
  await docker("kill", "life");
  expect(await state("life", "ExitCode")).toBe("137");
  await docker("rm", "life");
  expect((await daemon.docker("inspect", "life")).stderr).toContain("No such object: life");
}, 30_000);

test("a running container is not removed without force", async () => {
  await docker("run", "-d", "--name", "busy", "busybox", "sleep", "1000");
  const { stderr, exitCode } = await daemon.docker("rm", "busy");
  expect(exitCode).toBe(1);
  expect(stderr).toContain("container is running: stop the container before removing or force remove");
  expect(await docker("rm", "-f", "busy")).toBe("busy");
});

test("a stop meets containers that are just ending by themselves, and never fails", async () => {
  const names = Array.from({ length: 16 }, (_, at) => `brief-${at}`);
  await Promise.all(
    names.map((name, at) => docker("run", "-d", "--name", name, "busybox", "sleep", String(at / 20))),
  );
  const { stderr, exitCode } = await daemon.docker("stop", ...names);
  expect([stderr, exitCode]).toEqual(["", 0]);
  for (const name of names) expect(await state(name, "Running")).toBe("false");
  await docker("rm", ...names);
}, 60_000);

test("a name is taken once", async () => {
  await docker("create", "--name", "one", "busybox");
  const { stderr } = await daemon.docker("create", "--name", "one", "busybox");
  expect(stderr).toContain('Conflict. The container name "/one" is already in use by container');
  await docker("rename", "one", "two");
  expect(await docker("rm", "two")).toBe("two");
});

test("wait gives the exit code of a container that ends later", async () => {
  await docker("run", "-di", "--name", "later", "busybox", "sh", "-c", "read x; exit $x");
  const waiting = daemon.docker("wait", "later");
  await daemon.docker({ input: "5\n" }, "attach", "later");
  expect((await waiting).stdout).toBe("5\n");
  await docker("rm", "later");
});

test("restart policies bring a container back with its count, and a stop by the user ends it", async () => {
  await docker("run", "-d", "--name", "again", "--restart", "on-failure:2", "busybox", "false");
  await daemon.untilEvent({ container: "again", event: "die" }, 3);
  expect([
    await state("again", "Status"),
    await docker("inspect", "-f", "{{.RestartCount}}", "again"),
  ]).toEqual(["exited", "2"]);
  await docker("rm", "again");
}, 30_000);

test("exec joins the container, with its own exit code, user, directory and terminal", async () => {
  await docker("run", "-d", "--name", "host", "-e", "A=1", "busybox", "sleep", "1000");
  expect(await docker("exec", "host", "sh", "-c", "echo $A; ps | grep -c '[s]leep 1000'")).toBe("1\n1");
  expect((await daemon.docker("exec", "host", "sh", "-c", "exit 9")).exitCode).toBe(9);
  expect((await daemon.docker("exec", "host", "nope")).exitCode).toBe(127);
  expect(await docker("exec", "-u", "5", "-w", "/tmp", "host", "sh", "-c", "id -u; pwd")).toBe("5\n/tmp");
  const { stdout } = await daemon.docker({ input: "y".repeat(500_000) }, "exec", "-i", "host", "wc", "-c");
  expect(stdout.trim()).toBe("500000");
  // What is sent to a program that has ended is nobody's, and no error of the connection.
  const unread = Array.from({ length: 8 }, () =>
    daemon.docker({ input: "y".repeat(500_000) }, "exec", "-i", "host", "true"),
  );
  for (const ended of await Promise.all(unread))
    expect(ended).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  const tty = await daemon.inTerminal(
    { rows: 20, columns: 70 },
    "exec",
    "-it",
    "host",
    "sh",
    "-c",
    `${untilSize(20, 70)}; stty size`,
  );
  expect(tty.stdout).toContain("20 70");
  await docker("rm", "-f", "host");
  expect((await daemon.docker("exec", "host", "true")).stderr).toContain("No such container: host");
}, 30_000);

test("exec stays inside the namespaces and the cgroup of its container", async () => {
  await docker("run", "-d", "--name", "ns", "busybox", "sleep", "1000");
  const script =
    "for n in ipc mnt net pid uts cgroup; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup";
  const inside = await docker("exec", "ns", "sh", "-c", script);
  const first = await docker("exec", "ns", "sh", "-c", script.replaceAll("self", "1"));
  expect(inside).toBe(first);
  await docker("rm", "-f", "ns");
});

test("logs: both streams, tail, since, timestamps, follow to the end", async () => {
  await docker(
    "run",
    "--name",
    "log",
    "busybox",
    "sh",
    "-c",
    "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three",
  );
  const all = await daemon.docker("logs", "log");
  expect([all.stdout, all.stderr]).toEqual(["one\nthree\n", "two\n"]);
  expect((await daemon.docker("logs", "--tail", "1", "log")).stdout).toBe("three\n");
  expect((await daemon.docker("logs", "--since", "1h", "log")).stdout).toBe("one\nthree\n");
  expect((await daemon.docker("logs", "--until", "2000-01-01T00:00:00Z", "log")).stdout).toBe("");
  expect((await daemon.docker("logs", "-t", "log")).stdout).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one\n/,
  );
  await docker("rm", "log");
  await docker(
    "run",
    "-d",
    "--name",
    "slow",
    "busybox",
    "sh",
    "-c",
    "echo a; read x < /dev/zero & sleep 1; echo b",
  );
  expect((await daemon.docker("logs", "-f", "slow")).stdout).toBe("a\nb\n");
  await docker("rm", "-f", "slow");
}, 30_000);

test("ps filters and formats as Docker does", async () => {
  await docker("run", "-d", "--name", "shown", "--label", "k=v", "busybox", "sleep", "1000");
  await docker("create", "--name", "hidden", "busybox");
  expect(await docker("ps", "--format", "{{.Names}} {{.Image}} {{.Command}}")).toBe(
    'shown busybox "sleep 1000"',
  );
  expect(await docker("ps", "-a", "--filter", "status=created", "--format", "{{.Names}}")).toBe("hidden");
  expect(await docker("ps", "-aq", "--filter", "label=k=v", "--no-trunc")).toHaveLength(64);
  expect((await daemon.docker("ps", "--filter", "nonsense=1")).stderr).toContain("invalid filter 'nonsense'");
  await docker("rm", "-f", "shown", "hidden");
});

test("events tell the life of a container in order", async () => {
  const since = String(Date.now() / 1000 - 0.001);
  await docker("run", "--rm", "--name", "told", "busybox", "true");
  const events = await docker(
    ...[
      "events",
      "--since",
      since,
      "--until",
      String(Date.now() / 1000 + 0.5),
      "--filter",
      "container=told",
      "--format",
      "{{.Action}}",
    ],
  );
  expect(events.split("\n")).toEqual(["create", "attach", "start", "die", "destroy"]);
});
