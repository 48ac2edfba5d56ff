import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { ContainerExplanation } from "../../src/wire/index.ts";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const json = (text: string): ContainerExplanation => JSON.parse(text);
const explained = async (name: string) => json((await daemon.gantry("explain", "--json", name)).stdout);

test("a running container is explained as the kernel has it", async () => {
  await docker("run", "-d", "--name", "web", "-m", "64m", "-p", "127.0.0.1::80", "busybox", "sleep", "1000");
  await docker("run", "-d", "--name", "side", "--network", "container:web", "busybox", "sleep", "1000");
  const web = await explained("web");
  expect([web.Pid, web.Status, web.Runtime]).toEqual([
    Number(await docker("inspect", "-f", "{{.State.Pid}}", "web")),
    "running",
    "gantry",
  ]);

  for (const { Kind, Inode } of web.Namespaces)
    expect(readlinkSync(`/proc/${web.Pid}/ns/${Kind}`)).toBe(`${Kind}:[${Inode}]`);
  const sharing = Object.fromEntries(
    web.Namespaces.map(({ Kind, Sharing, With }) => [Kind, [Sharing, ...With]]),
  );
  expect([sharing.pid, sharing.net, sharing.user]).toEqual([["own"], ["container", "side"], ["host"]]);

  const memory = web.Cgroup.Limits.find(({ Name }) => Name === "memory");
  expect(memory?.Limit).toBe(String(64 * 1024 * 1024));
  expect(Number(memory?.Use)).toBeGreaterThan(0);
  expect(readFileSync(memory?.File ?? "", "utf8").trim()).toBe(memory?.Limit ?? "");

  const pressures = web.Cgroup.Folders.filter(({ Folder }) => existsSync(`${Folder}/cpu.pressure`));
  expect(web.Cgroup.Pressure === null).toBe(pressures.length === 0);

  const inside = await docker("exec", "web", "cat", "/proc/mounts");
  expect(web.Mounts.map(({ Target }) => Target)).toEqual(
    inside.split("\n").map((line) => line.split(" ")[1] ?? ""),
  );
  expect(web.Rights.Capabilities.Kept).toHaveLength(14);
  expect(web.Rights.Seccomp?.Default).toBe("errno");

  const [bridge] = web.Networks;
  const hop = (what: string) => bridge?.Path.filter(({ What }) => What === what) ?? [];
  const own = await docker("exec", "web", "ip", "-4", "addr", "show", "eth0");
  expect(own).toContain(hop("interface")[0]?.Detail.split(",")[0] ?? "?");
  const port = (await docker("port", "web", "80")).split(":")[1];
  expect(hop("port")[0]?.Name).toBe(`${port}/tcp`);
  expect(hop("rule").some(({ Detail }) => Detail.includes(`map { 127.0.0.1 . tcp . ${port} : `))).toBe(true);
  const links = readdirSync(`/sys/class/net/${hop("bridge")[0]?.Name}/brif`);
  expect(links).toContain(hop("veth")[0]?.Name ?? "");

  expect(web.Plan.at(-1)?.Call).toBe('execve("sleep", {"sleep", "1000"}, envp)');
  expect(web.Plan.filter(({ Operation }) => Operation === "namespace-new")).toHaveLength(5);
  await docker("rm", "-f", "web", "side");
}, 40_000);

test("the text tells the same in sections", async () => {
  await docker(
    "create",
    "--name",
    "still",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "seccomp=unconfined",
    "busybox",
    "true",
  );
  const { stdout, exitCode } = await daemon.gantry("explain", "still");
  const titles = stdout.split("\n").filter((line) => /^[A-Z]{2}/.test(line));
  expect([exitCode, titles.map((line) => line.split(/[ :]/)[0])]).toEqual([
    0,
    ["CONTAINER", "NAMESPACES", "CONTROL", "ROOT", "MOUNTS", "RIGHTS", "NETWORK", "LAUNCH"],
  ]);
  expect(stdout).toContain("keeps 0 capabilities");
  expect(stdout).toContain("not filtered");
  expect(stdout).toContain("pivot_root");
  expect(stdout).not.toMatch(/undefined|NaN|\[object/);
  await docker("rm", "still");
  const unknown = await daemon.gantry("explain", "nobody");
  expect([unknown.exitCode, unknown.stderr]).toEqual([
    1,
    "Error response from daemon: No such container: nobody\n",
  ]);
}, 30_000);

/** All that a container could have left: files of the engine, links, control groups. */
const traces = () => ({
  files: readdirSync(daemon.folder, { recursive: true })
    .map(String)
    .filter((name) => !/gantry\.db|daemon\.log|^exec\/tasks/.test(name))
    .sort(),
  links: readdirSync(`/sys/class/net/${daemon.name}0/brif`),
  groups: readdirSync(`/sys/fs/cgroup/memory/${daemon.name}`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name),
});

test("a dry run explains what would be made, and makes nothing", async () => {
  await docker("run", "--rm", "busybox", "true");
  const before = traces();
  const { stdout, stderr, exitCode } = await daemon.gantry(
    ..."run --dry-run --json --name ghost -m 32m -p 8080:80 -v fresh:/data -v /nonexistent-folder:/x --cgroup-parent /gantry-ghost busybox sh -c".split(
      " ",
    ),
    "echo hello",
  );
  expect([stderr, exitCode]).toEqual(["", 0]);
  const ghost = json(stdout);
  expect([ghost.Id, ghost.Name, ghost.Status, ghost.Pid]).toEqual(["", "ghost", "planned", 0]);
  expect(ghost.Plan.at(-1)?.Fields.args).toEqual(["sh", "-c", "echo hello"]);
  expect(ghost.Cgroup.Path).toStartWith("/gantry-ghost/");
  expect(ghost.Networks[0]?.Path.some(({ Name }) => Name === "8080/tcp")).toBe(true);
  expect(traces()).toEqual(before);
  expect(await docker("ps", "-aq")).toBe("");
  expect(await docker("volume", "ls", "-q")).toBe("");
  expect(readdirSync("/sys/fs/cgroup/memory")).not.toContain("gantry-ghost");
  expect(readdirSync("/")).not.toContain("nonexistent-folder");
}, 30_000);

test("a dry run of what could not be made says why", async () => {
  const missing = await daemon.gantry("run", "--dry-run", "no-such-image", "true");
  expect([missing.exitCode, missing.stderr.includes("No such image: no-such-image")]).toEqual([125, true]);
  const alone = await daemon.gantry("run", "--json", "busybox", "true");
  expect([alone.exitCode, alone.stderr]).toEqual([125, "gantry: --json goes with --dry-run\n"]);
  const low = await daemon.gantry("run", "--dry-run", "-m", "1m", "busybox", "true");
  expect([low.exitCode, low.stderr.includes("Minimum memory limit allowed is 6MB")]).toEqual([125, true]);
}, 30_000);
