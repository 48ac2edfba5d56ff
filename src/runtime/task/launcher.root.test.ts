import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { sourceTreeShimPath } from "../../platform/index.ts";
import type { Operation } from "../plan/index.ts";
import { createTaskLauncher, LaunchError } from "./index.ts";
import { demultiplex, makeTestRoot, type TestPlan, testPlan } from "./testing.ts";

let folder: string;
let rootfs: string;
let number = 0;
const shimPath = sourceTreeShimPath();
const launcher = () => createTaskLauncher({ execRoot: join(folder, "exec"), shimPath });
const nextId = () => (++number).toString(16).padStart(8, "0").padEnd(64, "a");

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-launch-"));
  rootfs = join(folder, "root");
  makeTestRoot(rootfs);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Shape = Omit<TestPlan, "rootfs">;
const plan = (shape: Shape) => testPlan({ rootfs, ...shape });

async function run(shape: Shape, input?: string) {
  const task = await launcher().launch(nextId(), plan({ ...shape, stdin: input !== undefined }));
  const streams = await task.attach({ stdin: input !== undefined, stdout: true, stderr: true });
  await task.start();
  const output = buffer(streams.output);
  streams.input?.end(input);
  const status = await task.ended;
  const bytes = await output;
  await task.remove();
  return { status, ...demultiplex(bytes) };
}

describe("a task", () => {
  test("runs its program as pid 1 and gives output by stream, and its exit code", async () => {
    const { status, stdout, stderr } = await run({ args: ["sh", "-c", "echo $$; echo bad >&2; exit 3"] });
    expect({ code: status.exitCode, stdout, stderr }).toEqual({ code: 3, stdout: "1\n", stderr: "bad\n" });
    expect(status.startedAtNs).toBeGreaterThan(0n);
    expect(status.exitedAtNs).toBeGreaterThan(status.startedAtNs);
  });

  test("that a full disk keeps from its plan leaves no folder behind, and its id can be launched", async () => {
    const execRoot = join(folder, "small");
    mkdirSync(execRoot);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", execRoot]).status).toBe(0);
    using _mounted = { [Symbol.dispose]: () => void spawnSync("umount", ["-l", execRoot]) };
    const small = createTaskLauncher({ execRoot, shimPath });
    const id = nextId();
    const long = plan({ args: ["true", "x".repeat(100_000)] });
    await expect(small.launch(id, long)).rejects.toThrow("ENOSPC");
    expect(await small.list()).toEqual([]);
    const task = await small.launch(id, plan({ args: ["sh", "-c", "true"] }));
    await task.start();
    expect((await task.ended).exitCode).toBe(0);
    await task.remove();
  });

  test("leaves no folder, process or mount behind", async () => {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    await run({ args: ["echo"] });
    expect(readdirSync(join(folder, "exec/tasks"))).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(mounts);
  });

  test("passes 500 kB of stdin on and ends it", async () => {
    const { stdout } = await run({ args: ["wc", "-c"] }, "z".repeat(500_000));
    expect(stdout.trim()).toBe("500000");
  });

  test("that a signal ended has 128 and its number", async () => {
    const task = await launcher().launch(nextId(), plan({ args: ["sleep", "100"] }));
    await task.start();
    await task.signal(9);
    expect(await task.ended).toMatchObject({ exitCode: 137, signal: 9, oomKilled: false });
    await task.remove();
  });

  test("has the user and groups that its own passwd and group name", async () => {
    const user: Operation = {
      op: "user",
      user: { by: "name", user: "web", group: "", additionalGroups: ["9"] },
    };
    const { stdout } = await run({ args: ["sh", "-c", "id -u; id -g; id -G; echo $HOME"], user });
    expect(stdout).toBe("33\n34\n34 9 77\n/var/www\n");
  });

  test("on a terminal has a size that follows resizes", async () => {
    const task = await launcher().launch(
      nextId(),
      plan({ args: ["sh", "-c", "stty size; read x; stty size"], terminal: true, stdin: true }),
    );
    const streams = await task.attach({ stdin: true, stdout: true, stderr: true });
    await task.start();
    await once(streams.output, "readable");
    await task.resize(40, 132);
    streams.input?.write("\n");
    const output = await text(streams.output);
    expect(output).toContain("24 80");
    expect(output).toContain("40 132");
    await task.remove();
  });

  test("sees an overlay of several layers, topmost first, and writes to the upper one only", async () => {
    const layers = ["low", "high", "upper", "work"].map((name) => join(folder, `layer-${name}`));
    for (const layer of layers) mkdirSync(layer);
    const [low = "", high = "", upper = "", work = ""] = layers;
    writeFileSync(join(low, "a"), "low");
    writeFileSync(join(low, "b"), "low");
    writeFileSync(join(high, "a"), "high");
    const root: Operation = { op: "rootfs-overlay", lower: [high, low, rootfs], upper, work, options: [] };
    const { stdout } = await run({ args: ["sh", "-c", "cat /a /b; echo new > /c"], root });
    expect(stdout).toBe("highlow");
    expect(readFileSync(join(upper, "c"), "utf8")).toBe("new\n");
    expect(existsSync(join(low, "c"))).toBe(false);
  });

  test("writes Docker's json-file log, with escapes and an unfinished last line", async () => {
    const log = join(folder, "task.log");
    await run({ args: ["sh", "-c", "printf 'a \"<\\n\\377\\nlast'; echo e >&2"], log });
    const entries = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(entries.filter(({ stream }) => stream === "stdout").map((entry) => entry.log)).toEqual([
      'a "<\n',
      "\ufffd\n",
      "last",
    ]);
    expect(entries.filter(({ stream }) => stream === "stderr").map((entry) => entry.log)).toEqual(["e\n"]);
    expect(entries[0].time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  });
});

describe("a launch that fails", () => {
  test.each([
    [["nope"], 127, 'exec: "nope": executable file not found in $PATH'],
    [["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'],
    [["/etc"], 126, 'exec: "/etc": is a directory'],
    [["/no/such"], 127, 'exec: "/no/such": stat /no/such: no such file or directory'],
  ])("%p: exit code %p, %p, and nothing left", async (args, exitCode, message) => {
    const error = await launcher()
      .launch(nextId(), plan({ args }))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LaunchError);
    expect(error).toMatchObject({ exitCode, kind: "invalid", message: expect.stringContaining(message) });
    expect(readdirSync(join(folder, "exec/tasks"))).toEqual([]);
  });

  test("names the operation and the errno", async () => {
    const before: Operation[] = [
      { op: "bind", source: "/no/such/source", target: "/mnt", recursive: true, attributes: {} },
    ];
    const error = await launcher()
      .launch(nextId(), plan({ args: ["sh"], before }))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      failure: { op: "bind", errno: "ENOENT", detail: "bind source /no/such/source" },
    });
  });
});

describe("the shim", () => {
  test("costs under 1 MB while it waits, and survives the process that launched it", async () => {
    const script = `import { createTaskLauncher } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      const task = await createTaskLauncher(${JSON.stringify({ execRoot: join(folder, "exec"), shimPath })}).launch(process.argv[1], JSON.parse(process.argv[2]));
      await task.start(); console.log(task.shimPid); setInterval(() => {}, 1000);`;
    const id = nextId();
    const launching = spawn(
      process.execPath,
      ["-e", script, id, JSON.stringify(plan({ args: ["sh", "-c", "read x; exit 5"], stdin: true }))],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const [line] = await once(launching.stdout, "data");
    launching.kill("SIGKILL");
    await once(launching, "exit");
    const task = await launcher().reconnect(id);
    expect(task?.shimPid).toBe(Number(line));
    const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${task?.shimPid}/smaps_rollup`, "utf8"));
    expect(Number(pss?.[1])).toBeLessThan(1000);
    const streams = await task?.attach({ stdin: true, stdout: false, stderr: false });
    streams?.input?.end("\n");
    expect(await task?.ended).toMatchObject({ exitCode: 5 });
    await task?.remove();
  });

  test("records an end that happens while nobody is connected", async () => {
    const script = `import { createTaskLauncher } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      const task = await createTaskLauncher(${JSON.stringify({ execRoot: join(folder, "exec"), shimPath })}).launch(process.argv[1], JSON.parse(process.argv[2]));
      await task.start(); process.kill(process.pid, "SIGKILL");`;
    const id = nextId();
    const launching = spawn(
      process.execPath,
      ["-e", script, id, JSON.stringify(plan({ args: ["sh", "-c", "exit 42"] }))],
      { stdio: "inherit" },
    );
    await once(launching, "exit");
    const task = await launcher().reconnect(id);
    expect(await task?.ended).toMatchObject({ exitCode: 42 });
    await task?.remove();
    expect(await launcher().reconnect(id)).toBeUndefined();
  });

  test("cannot be opened for writing through the container's first process", async () => {
    const task = await launcher().launch(nextId(), plan({ args: ["sleep", "100"] }));
    // Not yet started: the process is still the shim's own program.
    const error = await import("node:fs").then(({ openSync }) => {
      try {
        openSync(`/proc/${task.pid}/exe`, "r+");
        return undefined;
      } catch (thrown) {
        return thrown;
      }
    });
    expect(error).toMatchObject({ code: expect.stringMatching(/EROFS|ETXTBSY|EACCES/) });
    await task.remove();
  });

  test("refuses a plan that is cut short, and runs nothing of it", async () => {
    const marker = join(folder, "made-by-plan");
    const broken = plan({ args: ["sh"] });
    const operations = [
      { op: "cgroup-create", path: marker, version: 2 } as const,
      ...broken.operations.slice(0, -1),
    ];
    const error = await launcher()
      .launch(nextId(), { ...broken, operations })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: expect.stringContaining("does not end with a program") });
    expect(existsSync(marker)).toBe(false);
  });
});
