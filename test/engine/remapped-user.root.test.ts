import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestUser, GANTRY, runProgram, startDaemon, TestMachine } from "../harness/index.ts";

test("the user of --userns-remap default is made with the next free ids, once", async () => {
  // A machine whose /etc is its own: users and ranges that are made stay in it, and locks of the true one do not count.
  await using machine = await TestMachine.start(`
    mount -n -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work
    for lock in passwd group shadow gshadow subuid subgid; do mknod /mnt/upper/$lock.lock c 0 0; done
    mount -n -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    printf 'first:100000:65536\\nsecond:300000:70000\\n' > /etc/subuid
    printf 'first:100000:65536\\n' > /etc/subgid`);
  await using other = await startDaemon(["--userns-remap", "default"], machine);
  const passwd = await machine.sh("getent passwd dockremap; getent group dockremap");
  expect(passwd).toMatch(/^dockremap:x:\d+:\d+:.*:\/bin\/false\ndockremap:x:\d+:$/);
  const ranges = "grep dockremap /etc/subuid /etc/subgid";
  const made = "/etc/subuid:dockremap:370000:65536\n/etc/subgid:dockremap:165536:65536";
  expect(await machine.sh(ranges)).toBe(made);
  const maps = ["run", "--rm", "busybox", "cat", "/proc/self/uid_map", "/proc/self/gid_map"];
  expect((await other.docker(...maps)).stdout.trim().split(/\s+/)).toEqual([
    "0",
    "370000",
    "65536",
    "0",
    "165536",
    "65536",
  ]);
  await other.stop();
  await other.restart();
  expect(await machine.sh(ranges)).toBe(made);
  expect(readFileSync("/etc/passwd", "utf8")).not.toContain("dockremap");
}, 60_000);

test("a daemon whose user has no subordinate ids does not start", async () => {
  using poor = createTestUser({ withoutRanges: true });
  const [program = "", ...own] = GANTRY;
  const folder = mkdtempSync(join(tmpdir(), "gantry-poor-"));
  using cleanup = new DisposableStack();
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  const place = ["--data-root", join(folder, "data"), "--exec-root", join(folder, "run")];
  const start = (words: string) =>
    runProgram(program, [
      ...own,
      "daemon",
      ...place,
      "-H",
      `unix://${folder}/g.sock`,
      "--userns-remap",
      words,
    ]);
  expect(await start(poor.name)).toMatchObject({
    exitCode: 125,
    stderr: `gantry daemon: can't create ID mappings: no subuid ranges found for user "${poor.name}" in /etc/subuid\n`,
  });
  expect((await start("nobody-of-that-name")).stderr).toContain('user "nobody-of-that-name" does not exist');
  expect((await start("a:b:c")).stderr).toContain("must be default, USER, USER:GROUP, UID or UID:GID");
}, 30_000);
