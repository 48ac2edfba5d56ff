/** Escapes through what is mounted: links in the way of a mount, covers that are not what they seem, propagation. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY, runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";
import { TestBundle } from "../oci/bundle.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gantry-escape-"));
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const run = (...args: string[]) => daemon.docker("run", "--rm", ...args);
const place = (name: string) => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
};

test("a link in the way of a mount leads nowhere but within the container's root", async () => {
  const volume = place("linked");
  const outside = place("outside");
  symlinkSync(`../../../../../../../..${outside}`, join(volume, "relative"));
  symlinkSync(outside, join(volume, "absolute"));
  writeFileSync(join(folder, "bait"), "bait");
  for (const link of ["relative", "absolute"]) {
    const flags = ["-v", `${volume}:/v`, "-v", `${folder}/bait:/v/${link}/made/bait`];
    await run(...flags, "busybox", "true");
    expect(readdirSync(outside)).toEqual([]);
  }
}, 60_000);

test("a link that is swapped in while mounts are made does not lead outside either (CVE-2021-30465)", async () => {
  const volume = place("raced");
  const outside = place("target");
  mkdirSync(join(volume, "real"));
  symlinkSync(outside, join(volume, "link"));
  // Two names change places all the time, as fast as renameat2(2) goes through a shell.
  const swap =
    "while :; do mv /v/real /v/dir; mv /v/dir /v/real; ln -sfn $OUT /v/dir; rm -f /v/dir; done 2>/dev/null";
  await docker(
    "run",
    "-d",
    "--name",
    "swap",
    "-e",
    `OUT=${outside}`,
    "-v",
    `${volume}:/v`,
    "busybox",
    "sh",
    "-c",
    swap,
  );
  const started = Array.from({ length: 12 }, () =>
    run(
      "-v",
      `${volume}:/v`,
      "-v",
      `${folder}/bait:/v/dir/bait`,
      "--tmpfs",
      "/v/dir/tmp",
      "busybox",
      "cat",
      "/etc/hostname",
    ),
  );
  await Promise.all(started);
  await docker("rm", "-f", "swap");
  expect(readdirSync(outside)).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(outside);
}, 60_000);

test("what covers a masked path is proven to be the null device (CVE-2025-31133)", async () => {
  const dev = place("dev-null");
  symlinkSync("/proc/sysrq-trigger", join(dev, "null"));
  const { exitCode, stdout } = await run(
    "-v",
    `${dev}:/dev`,
    "busybox",
    "sh",
    "-c",
    "cat /proc/kcore | head -c 4",
  );
  expect([exitCode === 0, stdout]).toEqual([false, ""]);
}, 60_000);

test("a console is put over a plain file only, never over what a link names (CVE-2025-52565)", async () => {
  const dev = place("dev-console");
  for (const name of ["pts", "shm", "mqueue"]) mkdirSync(join(dev, name));
  symlinkSync("/proc/sys/kernel/core_pattern", join(dev, "console"));
  const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
  const terminal = { rows: 24, columns: 80 };
  const result = await daemon.inTerminal(
    terminal,
    "run",
    "--rm",
    "-t",
    "-v",
    `${dev}:/dev`,
    "busybox",
    "sh",
    "-c",
    "echo x > /proc/sys/kernel/core_pattern && echo owned",
  );
  expect(result.stdout).not.toContain("owned");
  expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
}, 60_000);

test("what the runtime writes below /proc goes to the kernel, or nowhere (CVE-2025-52881)", async () => {
  const proc = place("proc");
  mkdirSync(join(proc, "sys/net/ipv4"), { recursive: true });
  const fake = join(proc, "sys/net/ipv4/ip_forward");
  writeFileSync(fake, "untouched");
  symlinkSync("/proc/sys/kernel/core_pattern", join(proc, "sys/net/ipv4/ip_unprivileged_port_start"));
  const { exitCode } = await run(
    "-v",
    `${proc}:/proc`,
    "--sysctl",
    "net.ipv4.ip_forward=1",
    "busybox",
    "true",
  );
  expect(exitCode).not.toBe(0);
  expect(readFileSync(fake, "utf8")).toBe("untouched");
  // A link in the true procfs's place of a sysctl: the write would go to another one, or to what is labelled there.
  const sys = place("sys");
  mkdirSync(join(sys, "net/core"), { recursive: true });
  const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
  for (const to of [
    "/proc/sys/kernel/core_pattern",
    "/proc/sysrq-trigger",
    "/proc/self/attr/exec",
    "../../../1/oom_score_adj",
  ]) {
    rmSync(join(sys, "net/core/somaxconn"), { force: true });
    symlinkSync(to, join(sys, "net/core/somaxconn"));
    const flags = ["-v", `${sys}:/proc/sys`, "--sysctl", "net.core.somaxconn=99"];
    expect([to, (await run(...flags, "busybox", "true")).exitCode === 0]).toEqual([to, false]);
  }
  expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
}, 60_000);

test("mounts of a build step are made and taken away within its root (CVE-2024-23651, CVE-2024-23652)", async () => {
  const outside = place("build-outside");
  mkdirSync(join(outside, "stub"));
  writeFileSync(join(outside, "secret"), "of the host");
  writeFileSync(join(outside, "empty"), "");
  const context = place("build-context");
  symlinkSync(outside, join(context, "way"));
  const steps = [
    // The place of a mount that is gone when the step ends, and leads elsewhere.
    `RUN --mount=type=cache,target=/d/stub mv /d /e && ln -s ${outside} /d`,
    `RUN --mount=type=tmpfs,target=/f/stub mv /f /g && ln -s ${outside} /f`,
    `RUN --mount=type=secret,id=s,target=/h/empty mv /h /i && ln -s ${outside} /h`,
    // Sources that are links: in the context, in another stage, in a cache that an earlier step has filled.
    "RUN --mount=type=bind,source=way,target=/m ls /m",
    "RUN --mount=type=bind,from=links,source=/way,target=/m ls /m",
    "RUN --mount=type=cache,from=links,source=/way,id=c,target=/m ls /m",
    `RUN --mount=type=cache,id=l,target=/c rm -rf /c/x && ln -s ${outside} /c/x`,
    "RUN --mount=type=cache,id=l,target=/c --mount=type=cache,id=o,target=/c/x/in true",
  ];
  for (const step of steps) {
    const text = `FROM busybox AS links\nRUN ln -s ${outside} /way\nFROM busybox\n${step}\n`;
    writeFileSync(join(context, "Dockerfile"), text);
    const secret = ["--secret", `id=s,src=${join(outside, "secret")}`];
    const { stdout, stderr } = await daemon.gantry(
      "build",
      "--no-cache",
      "--progress",
      "plain",
      ...secret,
      context,
    );
    expect([step, /^.*\b(secret|empty)$/m.test(`${stdout}${stderr}`.replaceAll(step, ""))]).toEqual([
      step,
      false,
    ]);
    expect(readdirSync(outside).sort()).toEqual(["empty", "secret", "stub"]);
  }
}, 120_000);

test("a build step has a build's rights, unless whoever asks for the build allows more (CVE-2024-23653)", async () => {
  const context = place("build-rights");
  writeFileSync(
    join(context, "Dockerfile"),
    "FROM busybox\nRUN --security=insecure mount -t tmpfs none /mnt && echo moun\\ted\n",
  );
  const { exitCode, stderr } = await daemon.gantry("build", "--progress", "plain", context);
  expect([exitCode === 0, stderr.includes("mounted")]).toEqual([false, false]);
}, 60_000);

test("mounts made inside are not seen outside, and ending a container unmounts nothing outside", async () => {
  for (const propagation of ["", "private", "slave", "shared"]) {
    await using bundle = new TestBundle([
      ...["unshare", "--mount", "--propagation", "shared"],
      ...[
        "sh",
        "-c",
        'before=$(cat /proc/self/mountinfo | wc -l); "$@"; echo $before $(cat /proc/self/mountinfo | wc -l) >&2',
        "sh",
      ],
      ...[...GANTRY, "oci"],
    ]);
    const all = ["CAP_SYS_ADMIN"];
    bundle.configure({
      process: {
        args: ["sh", "-c", "mount -t tmpfs inside /tmp && echo mounted"],
        capabilities: { bounding: all, effective: all, permitted: all },
      },
      linux: propagation === "" ? {} : { rootfsPropagation: propagation },
    });
    const { stdout, stderr } = await bundle.run();
    const [before, after] = stderr.trim().split("\n").at(-1)?.split(" ") ?? [];
    expect([propagation, stdout, before === after ? "same" : stderr]).toEqual([
      propagation,
      "mounted\n",
      "same",
    ]);
  }
}, 60_000);

test("a read-only volume cannot be made writable from inside", async () => {
  const volume = place("readonly");
  const { stdout } = await run(
    "-v",
    `${volume}:/v:ro`,
    "--cap-add",
    "SYS_ADMIN",
    "busybox",
    "sh",
    "-c",
    "touch /v/x || echo ro",
  );
  expect(stdout).toBe("ro\n");
  expect(
    (await run("-v", `${volume}:/v:ro`, "busybox", "sh", "-c", "mount -o remount,rw /v; touch /v/x"))
      .exitCode,
  ).not.toBe(0);
  expect(existsSync(join(volume, "x"))).toBe(false);
  expect((await runProgram("findmnt", ["-n", volume])).stdout).toBe("");
}, 60_000);
