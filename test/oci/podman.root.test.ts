import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProgramOptions, runProgram } from "../harness/index.ts";
import { writeWrapper } from "./wrapper.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-podman-"));
const wrapper = writeWrapper(join(folder, "gantry-oci"));
const image = "localhost/box:latest";

/** Debian's podman with all its folders in ours. Its containers have the host's network: the runtime is what is tried. */
function podman(...args: (string | ProgramOptions)[]) {
  const [first] = args;
  const options = typeof first === "object" ? first : {};
  const words = args.filter((word) => typeof word === "string");
  const place = [
    "--root",
    join(folder, "storage"),
    "--runroot",
    join(folder, "run"),
    "--tmpdir",
    join(folder, "tmp"),
  ];
  const how = ["--runtime", wrapper, "--cgroup-manager", "cgroupfs", "--events-backend", "none"];
  return runProgram("podman", [...place, ...how, ...words], { limitMs: 40_000, ...options });
}
const run = (...args: string[]) => podman("run", "--rm", "--network", "none", ...args);

beforeAll(async () => {
  const root = join(folder, "root");
  const script = `mkdir -p ${root}/bin ${root}/etc ${root}/tmp; cp /bin/busybox ${root}/bin/
    for a in sh cat echo id ls sleep grep stty hostname true readlink df touch; do ln -s busybox ${root}/bin/$a; done
    echo root:x:0:0::/root:/bin/sh > ${root}/etc/passwd; echo root:x:0: > ${root}/etc/group; tar -C ${root} -cf ${folder}/box.tar .`;
  await runProgram("sh", ["-ec", script]);
  await podman("import", "-q", join(folder, "box.tar"), image);
}, 60_000);
afterAll(async () => {
  await podman("rm", "-a", "-f", "-t", "0");
  await runProgram("sh", ["-c", `umount -R ${folder}/storage/overlay ${folder}/run 2>/dev/null; true`]);
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test("podman runs containers through it: output, exit code, stdin, user, limits", async () => {
  expect(await run(image, "echo", "hello")).toMatchObject({ exitCode: 0, stdout: "hello\n" });
  expect((await run(image, "sh", "-c", "exit 9")).exitCode).toBe(9);
  expect(
    (await podman({ input: "typed" }, "run", "--rm", "-i", "--network", "none", image, "cat")).stdout,
  ).toBe("typed");
  expect((await run("-u", "7:8", image, "sh", "-c", "id -u; id -g")).stdout).toBe("7\n8\n");
  expect((await run("--hostname", "pod", image, "hostname")).stdout).toBe("pod\n");
  expect(
    (
      await run(
        "--pids-limit",
        "77",
        image,
        "sh",
        "-c",
        "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max",
      )
    ).stdout,
  ).toBe("77\n");
  expect((await run(image, "grep", "Seccomp:", "/proc/self/status")).stdout).toBe("Seccomp:\t2\n");
  const missing = await run(image, "nope");
  expect([missing.exitCode, missing.stderr.includes("executable file not found")]).toEqual([127, true]);
}, 120_000);

test("podman gives it terminals, execs, signals, pause and update", async () => {
  expect((await run("-t", image, "sh", "-c", "test -t 0 && echo tty")).stdout).toBe("tty\r\n");
  await podman("run", "-d", "--name", "long", "--network", "none", image, "sleep", "1000");
  expect((await podman("exec", "long", "sh", "-c", "exit 4")).exitCode).toBe(4);
  expect((await podman("exec", "-t", "long", "sh", "-c", "test -t 1 && echo tty")).stdout).toBe("tty\r\n");
  expect((await podman("pause", "long")).exitCode).toBe(0);
  expect((await podman("ps", "-a", "--format", "{{.Status}}")).stdout).toContain("Paused");
  expect((await podman("unpause", "long")).exitCode).toBe(0);
  expect((await podman("top", "long", "args")).stdout).toContain("sleep 1000");
  expect((await podman("stop", "-t", "0", "long")).exitCode).toBe(0);
  expect((await podman("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "long")).stdout).toBe(
    "exited 137\n",
  );
  expect((await podman("start", "long")).exitCode).toBe(0);
  expect((await podman("rm", "-f", "-t", "0", "long")).exitCode).toBe(0);
}, 120_000);
