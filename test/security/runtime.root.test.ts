/** Escapes through the runtime itself: its program, its descriptors, and the moment in which a process joins. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    // A descriptor that was closed meanwhile.
    return "";
  }
};
const run = (...args: string[]) => daemon.docker("run", "--rm", ...args);

test("the runtime's program cannot be overwritten from inside (CVE-2019-5736)", async () => {
  await docker("run", "-d", "--init", "--name", "over", "busybox", "sleep", "1000");
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "over");
  const program = `/proc/${pid}/exe`;
  const before = createHash("sha256").update(readFileSync(program)).digest("hex");
  // Process 1 of the container is the runtime's program; the attack writes through its link, or through one's own.
  for (const flags of [[], ["--privileged"]]) {
    const { exitCode } = await daemon.docker(
      "exec",
      ...flags,
      "over",
      "sh",
      "-c",
      "echo owned > /proc/1/exe",
    );
    expect(exitCode).not.toBe(0);
  }
  const itself = await run("--entrypoint", "/proc/self/exe", "busybox", "sh", "-c", "true");
  expect(itself.exitCode).not.toBe(0);
  expect(createHash("sha256").update(readFileSync(program)).digest("hex")).toBe(before);
  await docker("rm", "-f", "over");
}, 60_000);

test("no descriptor of the host is open in a container, and none can be its working directory (CVE-2024-21626)", async () => {
  const open = "for f in /proc/self/fd/*; do readlink $f; done";
  const links = (await run("busybox", "sh", "-c", open)).stdout;
  expect(links.split("\n").filter((link) => /^\//.test(link) && !/^\/(proc|dev\/null)/.test(link))).toEqual(
    [],
  );
  const tried = Array.from({ length: 13 }, (_, at) =>
    run("-w", `/proc/self/fd/${at + 3}`, "busybox", "sh", "-c", "cat ../../../../etc/shadow; pwd"),
  );
  for (const { stdout } of await Promise.all(tried)) expect(stdout).not.toMatch(/root:|unreachable/);
  await docker("run", "-d", "--name", "cwd", "busybox", "sh", "-c", "ln -s /proc/self/fd/7 /way; sleep 1000");
  // An exec's is looked up in a container that may have anything at the name.
  const ways = Array.from({ length: 8 }, (_, at) => `/proc/self/fd/${at + 3}${at % 2 === 0 ? "" : "/../.."}`);
  const look = ["sh", "-c", "cat ../../../../etc/shadow; pwd"];
  const seen = await Promise.all(
    ["/way", ...ways].map((way) => daemon.docker("exec", "-w", way, "cwd", ...look)),
  );
  for (const { stdout } of seen) expect(stdout).not.toMatch(/root:|unreachable/);
  await docker("rm", "-f", "cwd");
}, 60_000);

test("an exec has the rights of the container and not more (CVE-2022-29162)", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "caps",
    "--cap-drop",
    "ALL",
    "--cap-add",
    "CHOWN",
    "busybox",
    "sleep",
    "1000",
  );
  const sets = (...flags: string[]) => docker("exec", ...flags, "caps", "grep", "Cap", "/proc/self/status");
  const own =
    "CapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000001\nCapBnd:\t0000000000000001\nCapAmb:\t0000000000000000";
  expect(await sets()).toBe(own);
  expect(await sets("-u", "1000")).toBe(own.replace(/(CapPrm|CapEff):\t\d+/g, "$1:\t0000000000000000"));
  expect(await docker("exec", "caps", "grep", "Seccomp:", "/proc/self/status")).toBe("Seccomp:\t2");
  await docker("rm", "-f", "caps");
}, 60_000);

test("no set of a container's capabilities is inheritable, however it was started (CVE-2022-24769)", async () => {
  const sets = ["grep", "-E", "Cap(Inh|Amb)", "/proc/self/status"];
  const none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";
  for (const flags of [[], ["-u", "5"], ["--privileged"], ["--cap-add", "SYS_ADMIN", "-u", "5"]])
    expect((await run(...flags, "busybox", ...sets)).stdout).toBe(none);
}, 60_000);

test("no socket of the engine has an abstract name, which --network host would reach (CVE-2020-15257)", async () => {
  await docker("run", "-d", "--name", "host", "--network", "host", "busybox", "sleep", "1000");
  const pid = Number(await docker("inspect", "-f", "{{.State.Pid}}", "host"));
  const shim = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const inodes = [daemon.pid, shim].flatMap((owner) =>
    readdirSync(`/proc/${owner}/fd`).flatMap(
      (fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${owner}/fd/${fd}`))?.[1] ?? [],
    ),
  );
  const sockets = (await docker("exec", "host", "cat", "/proc/net/unix"))
    .split("\n")
    .map((line) => line.split(/\s+/));
  const own = sockets.filter(([, , , , , , inode = ""]) => inodes.includes(inode));
  expect(own.length).toBeGreaterThan(1);
  expect(own.filter(([, , , , , , , name = ""]) => name.startsWith("@"))).toEqual([]);
  await docker("rm", "-f", "host");
}, 60_000);

test("what looks a container's users up or copies its files loads nothing of it (CVE-2019-14271)", async () => {
  const folder = join(daemon.folder, "libraries");
  mkdirSync(folder);
  // A library that tells by a file that it was loaded, wherever that is.
  const source = `#include <fcntl.h>\n__attribute__((constructor)) static void load(void) { open("${folder}/loaded", O_CREAT, 0600); open("/loaded", O_CREAT, 0600); }`;
  const library = join(folder, "evil.so");
  const compiled = await runProgram("gcc", ["-shared", "-fPIC", "-o", library, "-xc", "-"], {
    input: source,
  });
  expect(compiled).toMatchObject({ exitCode: 0 });
  await docker("run", "-d", "--name", "evil", "busybox", "sleep", "1000");
  const names = ["libnss_files.so.2", "libnss_compat.so.2", "libc.so.6", "ld-linux-x86-64.so.2"];
  await docker("exec", "evil", "mkdir", "-p", "/lib/x86_64-linux-gnu", "/lib64", "/usr/lib");
  for (const name of names)
    for (const place of ["/lib/x86_64-linux-gnu", "/lib64", "/usr/lib"])
      await docker("cp", library, `evil:${place}/${name}`);
  await docker("cp", library, "evil:/evil.so");
  const hostile = "echo /evil.so > /etc/ld.so.preload; echo passwd: files compat > /etc/nsswitch.conf";
  await docker("exec", "evil", "sh", "-c", hostile);
  for (const running of [true, false]) {
    if (!running) await docker("stop", "-t", "0", "evil");
    expect((await daemon.docker("cp", "-a", "evil:/etc/passwd", folder)).exitCode).toBe(0);
    expect((await daemon.docker("cp", "-a", library, "evil:/again")).exitCode).toBe(0);
    if (running) expect(await docker("exec", "-u", "daemon", "evil", "id", "-u")).toBe("1");
  }
  expect(existsSync(join(folder, "loaded"))).toBe(false);
  expect(await docker("diff", "evil")).not.toContain("/loaded");
  await docker("rm", "-f", "evil");
}, 60_000);

test("a process that joins shows the container nothing of the host", async () => {
  const spy = `while :; do for p in /proc/[0-9]*; do
    for link in exe cwd root fd/0 fd/3 fd/4 fd/5 fd/6 fd/7; do readlink $p/$link; done; cat $p/environ $p/cmdline; done; done 2>/dev/null`;
  await docker("run", "-d", "--name", "spy", "--cap-add", "SYS_PTRACE", "busybox", "sh", "-c", spy);
  for (let round = 0; round < 12; round++) await docker("exec", "-u", "33", "spy", "true");
  const seen = new Set((await docker("logs", "spy")).split(/[\n\0]/));
  await docker("rm", "-f", "spy");
  expect([...seen].filter((line) => line.includes("gantry") || line.includes(daemon.folder))).toEqual([]);
}, 60_000);

test("an exec joins only a container that has become its program", async () => {
  await docker("create", "--name", "half", "busybox", "sleep", "1000");
  const early = await daemon.docker("exec", "half", "true");
  expect([early.exitCode, early.stderr.includes("is not running")]).toEqual([1, true]);
  // A start and an exec at once: either it is refused, or it runs inside.
  const [, raced] = await Promise.all([
    daemon.docker("start", "half"),
    daemon.docker("exec", "half", "readlink", "/proc/self/ns/mnt"),
  ]);
  if (raced.exitCode === 0) expect(raced.stdout.trim()).not.toBe(readlinkSync("/proc/self/ns/mnt"));
  else expect(raced.stderr).toContain("is not running");
  await docker("rm", "-f", "half");
}, 60_000);
