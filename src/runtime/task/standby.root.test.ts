import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { sourceTreeShimPath } from "../../platform/index.ts";
import { createTaskLauncher } from "./index.ts";
import { encodeFrame, FRAME } from "./protocol.ts";
import { makeTestRoot, testPlan } from "./testing.ts";

const shimPath = sourceTreeShimPath();
let folder: string;
let number = 0;
const execRoot = () => join(folder, `exec-${++number}`);
const id = (digit: string) => digit.repeat(64);
const plan = (...args: string[]) => testPlan({ rootfs: join(folder, "root"), args });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-standby-"));
  makeTestRoot(join(folder, "root"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commandOf = (pid: number): string =>
  existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, "latin1") : "";

/** The shim that waits under this exec root. Nothing announces a process that is not one's own child. */
async function waitingShim(root: string): Promise<number> {
  for (;;) {
    const found = readdirSync("/proc")
      .map(Number)
      .find((pid) => pid > 0 && commandOf(pid).includes(`standby\0${root}/tasks/${"0".repeat(32)}`));
    if (found !== undefined) return found;
    await nextTurn();
  }
}

async function gone(pid: number): Promise<void> {
  while (commandOf(pid) !== "") await nextTurn();
}

test("a shim that waits makes the next task, and another waits for the one after", async () => {
  const root = execRoot();
  using launcher = createTaskLauncher({ execRoot: root, shimPath, standby: true });
  const waiting = await waitingShim(root);
  // The second of two at once has a shim of its own.
  const [first, second] = await Promise.all([
    launcher.launch(id("a"), plan("sh", "-c", "exit 3")),
    launcher.launch(id("b"), plan("sh", "-c", "exit 4")),
  ]);
  expect(first.shimPid).toBe(waiting);
  expect(second.shimPid).not.toBe(waiting);
  // It is listed with the folder of its task, like any other.
  expect(commandOf(waiting)).toContain(launcher.folderOf(id("a")));
  for (const task of [first, second]) await task.start();
  expect([(await first.ended).exitCode, (await second.ended).exitCode]).toEqual([3, 4]);
  const next = await waitingShim(root);
  for (const task of [first, second]) await task.remove();
  const third = await launcher.launch(id("c"), plan("sh", "-c", "true"));
  expect(third.shimPid).toBe(next);
  await third.remove();
});

test("what a waiting shim cannot launch is told like from any other, and it ends", async () => {
  const root = execRoot();
  using launcher = createTaskLauncher({ execRoot: root, shimPath, standby: true });
  const waiting = await waitingShim(root);
  const missing = await launcher.launch(id("a"), plan("no-such-program")).catch((error: unknown) => error);
  expect(missing).toMatchObject({ failure: { errno: "ENOENT" } });
  await gone(waiting);
  expect(readdirSync(join(root, "tasks"))).toEqual([]);
});

test("it ends with the launcher, and with a launcher's process that is killed", async () => {
  const root = execRoot();
  const launcher = createTaskLauncher({ execRoot: root, shimPath, standby: true });
  const waiting = await waitingShim(root);
  launcher[Symbol.dispose]();
  await gone(waiting);

  const other = execRoot();
  const script = `import { createTaskLauncher } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    createTaskLauncher(${JSON.stringify({ execRoot: other, shimPath, standby: true })}); setInterval(() => {}, 1000);`;
  const process_ = spawn(process.execPath, ["-e", script], { stdio: "inherit" });
  const orphan = await waitingShim(other);
  process_.kill("SIGKILL");
  await once(process_, "exit");
  await gone(orphan);
});

test("it takes no folder but one of the length that its arguments have room for", async () => {
  const place = join(folder, "place");
  mkdirSync(place);
  const shim = spawn(shimPath, ["standby", `${place}x`], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const control = shim.stdio[3];
  if (!(control instanceof Socket)) throw new Error("no socket");
  control.write(encodeFrame(FRAME.TASK, Buffer.from(place)));
  const [answer] = await once(control, "data");
  expect(answer[0]).toBe(FRAME.FAILED);
  expect(String(answer)).toContain("a waiting shim was told no task");
  if (shim.exitCode === null) await once(shim, "exit");
  expect(shim.exitCode).toBe(1);
  expect(readdirSync(place)).toEqual([]);
});
