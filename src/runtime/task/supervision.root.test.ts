import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import { sourceTreeShimPath } from "../../platform/index.ts";
import { encodePlan, type Operation } from "../plan/index.ts";
import { createTaskLauncher } from "./index.ts";
import { FRAME, FrameReader } from "./protocol.ts";
import { demultiplex, makeTestRoot, type TestPlan, testPlan } from "./testing.ts";

let folder: string;
let rootfs: string;
let number = 0;
const shimPath = sourceTreeShimPath();
const launcher = () => createTaskLauncher({ execRoot: join(folder, "exec"), shimPath });
const nextId = () => (++number).toString(16).padStart(8, "0").padEnd(64, "b");
const plan = (shape: Omit<TestPlan, "rootfs">) => testPlan({ rootfs, ...shape });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-supervise-"));
  rootfs = join(folder, "root");
  makeTestRoot(rootfs);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pssKilobytes = (pid: number) =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);

describe("a shim", () => {
  test("gives all of a program's output to one who goes on typing when it has ended", async () => {
    for (let round = 0; round < 30; round++) {
      const task = await launcher().launch(
        nextId(),
        plan({ args: ["sh", "-c", "echo first; echo last"], terminal: true, stdin: true }),
      );
      await using streams = await task.attach({ stdin: true, stdout: true, stderr: true });
      streams.input?.on("error", () => {});
      const typing = setInterval(() => streams.input?.write("\0"), 0);
      const all = buffer(streams.output);
      await task.start();
      expect((await all).toString()).toContain("last\r\n");
      clearInterval(typing);
      await task.remove();
    }
  });

  test("holds under 1 MB after a launch with a long plan, and after 20 MB of output that is logged", async () => {
    const log = join(folder, "chatty.log");
    const before: Operation[] = Array.from({ length: 200 }, (_, index) => ({
      op: "symlink",
      target: `/dev/link-${index}`,
      to: "/proc/self/fd",
    }));
    const script = "head -c 20000000 /dev/zero | busybox tr '\\0' 'a' | busybox fold; echo done >&2; read x";
    const task = await launcher().launch(
      nextId(),
      plan({ args: ["sh", "-c", script], stdin: true, log, before }),
    );
    const streams = await task.attach({ stdin: true, stdout: false, stderr: true });
    await task.start();
    await once(streams.output, "readable");
    // It lets go of what it does not need once it has nothing to do for a while.
    while (pssKilobytes(task.shimPid) >= 1000) await new Promise((resolve) => setTimeout(resolve, 20));
    streams.input?.end("\n");
    await task.ended;
    await task.remove();
    rmSync(log);
  });

  test("keeps none of the descriptors that whoever launched it left open", async () => {
    const state = join(folder, "leaky");
    mkdirSync(state);
    const leaked = openSync(join(rootfs, "etc/passwd"), "r");
    const shim = spawn(shimPath, ["launch", state], {
      stdio: ["pipe", "ignore", "ignore", "pipe", leaked, leaked],
      detached: true,
      env: {},
    });
    closeSync(leaked);
    shim.stdin?.end(encodePlan(plan({ args: ["sleep", "100"] })));
    const control = shim.stdio[3];
    if (!(control instanceof Socket)) throw new Error("no control connection");
    await once(control, "data");
    const held = spawnSync("ls", [`/proc/${shim.pid}/fd`], { encoding: "utf8" })
      .stdout.trim()
      .split("\n");
    const targets = held.map((fd) => readlinkSync(`/proc/${shim.pid}/fd/${fd}`));
    expect(targets.filter((target) => target.endsWith("etc/passwd"))).toEqual([]);
    const ended = once(shim, "exit");
    control.destroy();
    shim.kill("SIGKILL");
    await ended;
  });

  test("ends an exec whose background process goes on writing", async () => {
    const task = await launcher().launch(nextId(), plan({ args: ["sleep", "1000"] }));
    await task.start();
    const exec = await launcher().launch(nextId(), {
      start: "now",
      operations: [
        { op: "stdio", terminal: false, stdin: false, stdinOnce: false, rows: 0, columns: 0 },
        { op: "namespace-join", kind: "pid", path: `/proc/${task.pid}/ns/pid` },
        { op: "namespace-join", kind: "mount", path: `/proc/${task.pid}/ns/mnt` },
        { op: "environment", entries: ["PATH=/bin"] },
        { op: "exec", args: ["sh", "-c", "yes & sleep 0.1; exit 6"] },
      ],
    });
    expect((await exec.ended).exitCode).toBe(6);
    await exec.remove();
    await task.remove();
  });

  test("ends stdin when the attachment that gives it vanishes with output unread", async () => {
    const task = await launcher().launch(
      nextId(),
      plan({ args: ["sh", "-c", "echo out; cat > /dev/null; exit 4"], stdin: true }),
    );
    const streams = await task.attach({ stdin: true, stdout: true, stderr: true });
    await task.start();
    streams.input?.write("something");
    await once(streams.output, "readable");
    await streams.close();
    expect((await task.ended).exitCode).toBe(4);
    await task.remove();
  });

  test("passes on all of stdin though its giver has gone before it was taken", async () => {
    const task = await launcher().launch(
      nextId(),
      plan({ args: ["sh", "-c", "sleep 0.3; exit $(($(wc -c) / 10000))"], stdin: true }),
    );
    const streams = await task.attach({ stdin: true, stdout: false, stderr: false });
    await task.start();
    const input = streams.input;
    if (!(input instanceof Socket)) throw new Error("stdin is no socket");
    input.write(Buffer.alloc(250_000));
    await new Promise<void>((resolve) => input.end(resolve));
    input.destroy();
    expect((await task.ended).exitCode).toBe(25);
    await task.remove();
  });

  test("is followed by its container when it is killed", async () => {
    const task = await launcher().launch(nextId(), plan({ args: ["sleep", "1000"] }));
    await task.start();
    process.kill(task.shimPid, "SIGKILL");
    expect(await task.ended.catch(() => "lost")).toBeDefined();
    while (existsSync(`/proc/${task.pid}/exe`)) await new Promise((resolve) => setTimeout(resolve, 5));
    await launcher().forget(task.id);
  });
});

describe("a new process", () => {
  test("runs under a filter that knows neither close_range nor faccessat2", async () => {
    const filter = spawnSync(shimPath, ["seccomp"], {
      input: "default allow 0\nrule errno 1 close_range\nrule errno 1 faccessat2\n",
    }).stdout;
    const before: Operation[] = [{ op: "seccomp", program: filter, flags: 0 }];
    const streams = await runToEnd({ args: ["sh", "-c", "echo ran; ls /proc/self/fd | wc -l"], before });
    // ls itself opens one.
    expect(streams.stdout).toBe("ran\n4\n");
  });

  test("cannot be looked into by its namespace before it has become the program", async () => {
    const task = await launcher().launch(nextId(), plan({ args: ["sleep", "100"] }));
    const dumpable = spawnSync("stat", ["-c", "%U %a", `/proc/${task.pid}/environ`], { encoding: "utf8" });
    expect(dumpable.stdout.trim()).toBe("root 400");
    expect(spawnSync("grep", ["-c", "", `/proc/${task.shimPid}/status`]).status).toBe(0);
    await task.remove();
  });

  test.each([
    ["net/../../sysrq-trigger", "leads out of /proc/sys"],
    ["../sysrq-trigger", "leads out of /proc/sys"],
    [`kernel.${"x".repeat(600)}`, "is longer than any"],
  ])("is refused the sysctl %p, which %s", async (key) => {
    const before: Operation[] = [{ op: "sysctl", key, value: "h" }];
    const error = await launcher()
      .launch(nextId(), plan({ args: ["sh"], before }))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ failure: { op: "sysctl" } });
  });

  async function runToEnd(shape: Omit<TestPlan, "rootfs">) {
    const task = await launcher().launch(nextId(), plan(shape));
    const streams = await task.attach({ stdin: false, stdout: true, stderr: true });
    await task.start();
    const output = await buffer(streams.output);
    await task.remove();
    return demultiplex(output);
  }
});

describe("a plan that is not whole", () => {
  /** What the shim answers to these bytes. */
  async function answer(bytes: Buffer): Promise<{ kind: number; text: string }> {
    const state = mkdtempSync(join(folder, "state-"));
    const shim = spawn(shimPath, ["launch", state], {
      stdio: ["pipe", "ignore", "ignore", "pipe"],
      env: {},
    });
    shim.stdin?.on("error", () => undefined);
    shim.stdin?.end(bytes);
    const control = shim.stdio[3];
    if (!(control instanceof Socket)) throw new Error("no control connection");
    const [chunk] = await once(control, "data");
    const [frame] = new FrameReader().push(chunk);
    control.destroy();
    rmSync(state, { recursive: true, force: true });
    return { kind: frame?.kind ?? 0, text: frame?.body.toString("utf8", 8) ?? "" };
  }

  test("is refused wherever it is cut, and nothing of it is executed", async () => {
    const marker = join(folder, "made");
    const whole = encodePlan({
      start: "now",
      operations: [
        { op: "cgroup-create", path: marker, version: 2 },
        { op: "exec", args: ["true"] },
      ],
    });
    for (let size = 0; size < whole.length; size++) {
      expect(await answer(whole.subarray(0, size))).toMatchObject({
        kind: FRAME.FAILED,
        text: expect.stringContaining("plan is truncated"),
      });
      // Its header agrees with the cut.
      const cut = Buffer.from(whole.subarray(0, size));
      if (size >= 32) {
        cut.writeUInt32LE(size, 16);
        cut.writeUInt32LE(crc32(cut.subarray(32)), 20);
        expect(await answer(cut)).toMatchObject({
          kind: FRAME.FAILED,
          text: expect.stringContaining("plan"),
        });
      }
    }
    const other = Buffer.from(whole);
    other.writeUInt32LE(2, 8);
    expect(await answer(other)).toMatchObject({
      kind: FRAME.FAILED,
      text: "the plan has an unknown version",
    });
    const turned = Buffer.from(whole);
    turned[40] = 0xff;
    expect((await answer(turned)).text).toBe("the plan is corrupt: its checksum is wrong");
    expect(existsSync(marker)).toBe(false);
  });
});
