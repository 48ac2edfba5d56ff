import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Dockerd, startDockerd } from "../compat/dockerd.ts";
import { runProgram } from "../harness/index.ts";
import { writeWrapper } from "./wrapper.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-runtime-"));
let dockerd: Dockerd;

beforeAll(async () => {
  const root = join(folder, "root");
  const script = `mkdir -p ${root}/bin ${root}/tmp; cp /bin/busybox ${root}/bin/
    for a in sh cat echo id ls sleep grep ip stty true ping; do ln -s busybox ${root}/bin/$a; done
    tar -C ${root} -cf ${folder}/box.tar .`;
  await runProgram("sh", ["-ec", script]);
  dockerd = await startDockerd({ runtimes: { gantry: writeWrapper(join(folder, "gantry-oci")) } });
  await dockerd.docker("import", join(folder, "box.tar"), "box");
}, 90_000);
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The same words for both runtimes: what the one gives, the other has to give. */
const both = (...args: string[]) =>
  Promise.all(
    ["runc", "gantry"].map((runtime) =>
      dockerd.docker({ limitMs: 40_000 }, "run", "--rm", "--runtime", runtime, ...args),
    ),
  );

test("dockerd gets from it what it gets from runc", async () => {
  for (const args of [
    ["box", "sh", "-c", "echo out; echo err >&2; exit 6"],
    ["-u", "33:44", "box", "id"],
    [
      "-m",
      "32m",
      "--pids-limit",
      "9",
      "box",
      "sh",
      "-c",
      "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max",
    ],
    ["--cap-drop", "ALL", "box", "grep", "Cap", "/proc/self/status"],
    ["--security-opt", "no-new-privileges", "box", "grep", "-E", "NoNewPrivs|Seccomp:", "/proc/self/status"],
    ["--read-only", "-w", "/tmp", "box", "sh", "-c", "pwd; echo x > /x || echo read-only"],
    ["--network", "bridge", "box", "sh", "-c", "ip -4 addr show eth0 | grep -c 'inet 172.31.99'"],
    ["--ulimit", "nofile=12:34", "box", "sh", "-c", "ulimit -n; ulimit -Hn"],
    ["box", "nope"],
  ]) {
    const [runc, gantry] = await both(...args);
    const wanted = { args, exitCode: runc?.exitCode, stdout: runc?.stdout };
    expect({ args, exitCode: gantry?.exitCode, stdout: gantry?.stdout }).toEqual(wanted);
  }
}, 180_000);

test("its containers are stopped, paused, changed and entered by dockerd", async () => {
  await dockerd.docker("run", "-d", "--runtime", "gantry", "--name", "long", "box", "sleep", "1000");
  expect((await dockerd.docker("exec", "long", "sh", "-c", "exit 3")).exitCode).toBe(3);
  expect((await dockerd.docker({ input: "in" }, "exec", "-i", "long", "cat")).stdout).toBe("in");
  await dockerd.docker("pause", "long");
  expect((await dockerd.docker("inspect", "-f", "{{.State.Status}}", "long")).stdout).toBe("paused\n");
  await dockerd.docker("unpause", "long");
  expect((await dockerd.docker("update", "--pids-limit", "44", "long")).stderr).toBe("");
  expect((await dockerd.docker("exec", "long", "cat", "/sys/fs/cgroup/pids/pids.max")).stdout).toBe("44\n");
  expect((await dockerd.docker("top", "long")).stdout).toContain("sleep 1000");
  await dockerd.docker("stop", "-t", "0", "long");
  expect((await dockerd.docker("inspect", "-f", "{{.State.ExitCode}}", "long")).stdout).toBe("137\n");
  await dockerd.docker("start", "long");
  expect((await dockerd.docker("rm", "-f", "long")).exitCode).toBe(0);
}, 120_000);
