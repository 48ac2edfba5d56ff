import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon, testSinceDocker } from "../harness/index.ts";

let daemon: TestDaemon;

/** Writes what it was given, and which mounts it sees, beside itself. */
const HOOK = `#!/bin/sh
cat > "$0.$1"
echo >> "$0.$1"
readlink /proc/self/ns/mnt /proc/self/ns/net >> "$0.$1"
`;
beforeAll(async () => {
  daemon = await startDaemon();
  const folder = join(daemon.folder, "config/cdi");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(daemon.folder, "library"), "of the vendor");
  writeFileSync(join(daemon.folder, "hook"), HOOK, { mode: 0o755 });
  writeFileSync(
    join(folder, "vendor.yaml"),
    `cdiVersion: "0.5.0"
kind: vendor.com/thing
containerEdits:
  env: [THING=all]
devices:
  - name: fuse
    annotations: {org.mobyproject.buildkit.device.class: reader}
    containerEdits:
      env: [THING_NAME=fuse]
      deviceNodes:
        - {path: /dev/thing0, hostPath: /dev/fuse, permissions: r}
      mounts:
        - {hostPath: ${daemon.folder}/library, containerPath: /usr/lib/thing, options: [ro, bind]}
  - name: absent
    containerEdits:
      deviceNodes: [{path: /dev/no-such-thing}]
  - name: hooked
    containerEdits:
      hooks:
        - {hookName: createRuntime, path: ${daemon.folder}/hook, args: [hook, createRuntime]}
        - {hookName: createContainer, path: ${daemon.folder}/hook, args: [hook, createContainer], env: [A=b]}
        - {hookName: startContainer, path: /bin/sh, args: [sh, -c, "cat > /seen; hostname >> /seen"]}
  - name: failing
    containerEdits:
      hooks: [{hookName: createRuntime, path: /bin/sh, args: [sh, -c, "echo broken >&2; exit 3"]}]
  - name: late
    containerEdits:
      hooks: [{hookName: poststop, path: /bin/true}]
`,
  );
  const gpu = (name: string) => ({ name, containerEdits: { env: [`GPU_${name}=yes`] } });
  writeFileSync(
    join(folder, "gpu.json"),
    JSON.stringify({ cdiVersion: "0.5.0", kind: "nvidia.com/gpu", devices: ["0", "1", "all"].map(gpu) }),
  );
  writeFileSync(join(folder, "broken.json"), "{");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const SCRIPT =
  "echo $THING $THING_NAME; cat /usr/lib/thing; echo; true < /dev/thing0 && echo read; { true > /dev/thing0; } 2> /dev/null || echo not written";

const given = (client: "docker" | "gantry") => async () => {
  const flags = ["run", "--rm", "--device", "vendor.com/thing=fuse"];
  const { stdout } = await daemon[client](...flags, "busybox", "sh", "-c", SCRIPT);
  expect(stdout).toBe("all fuse\nof the vendor\nread\nnot written\n");
};
test("a device of a CDI file brings its nodes, its rights, its mounts and its variables", given("gantry"));
testSinceDocker(25, "--device of CDI")("and is asked for by the docker CLI too", given("docker"));

test("GPUs are those of the kind nvidia.com/gpu", async () => {
  const gpus = async (value: string) =>
    (await daemon.gantry("run", "--rm", "--gpus", value, "busybox", "sh", "-c", "env | grep ^GPU_ | sort"))
      .stdout;
  expect(await gpus("all")).toBe("GPU_all=yes\n");
  expect(await gpus("2")).toBe("GPU_0=yes\nGPU_1=yes\n");
  expect(await gpus("device=1")).toBe("GPU_1=yes\n");
}, 30_000);

test("a device that no file describes, or that cannot be given, is refused by name", async () => {
  for (const [device, words] of [
    ["vendor.com/thing=nope", "unresolvable CDI devices vendor.com/thing=nope"],
    ["other.com/thing=fuse", "unresolvable CDI devices other.com/thing=fuse"],
    ["vendor.com/thing=absent", "there is no /dev/no-such-thing"],
    ["vendor.com/thing=late", "this engine runs no poststop hooks of devices"],
    ["vendor.com/thing=failing", "error running createRuntime hook #0: /bin/sh: exit status 3: broken"],
  ]) {
    const { exitCode, stderr } = await daemon.gantry(
      "run",
      "--rm",
      "--device",
      device ?? "",
      "busybox",
      "true",
    );
    expect([exitCode === 0, stderr.includes(words ?? "") ? words : stderr]).toEqual([false, words]);
  }
}, 30_000);

test("hooks of a device run at their points of the launch, in their namespaces, with the state", async () => {
  for (const runtime of ["gantry", "runc"]) {
    const { stdout, stderr } = await daemon.gantry(
      ..."run --rm -h box --network none --device vendor.com/thing=hooked --runtime".split(" "),
      runtime,
      ..."busybox sh -c".split(" "),
      "cat /seen; echo; readlink /proc/self/ns/mnt",
    );
    expect([runtime, stderr]).toEqual([runtime, ""]);
    const [started = "", hostname, mounts] = stdout
      .split(/\n+/)
      .flatMap((line) => line.split(/(?<=\})(?=box)/));
    expect([JSON.parse(started).status, hostname]).toEqual(["created", "box"]);
    const seen = (name: string) =>
      readFileSync(join(daemon.folder, `hook.${name}`), "utf8")
        .trim()
        .split("\n");
    const [early = "", , hostNetwork] = seen("createRuntime");
    const [inner = "", innerMounts, innerNetwork] = seen("createContainer");
    const state = JSON.parse(inner);
    expect([JSON.parse(early).status, state.status, state.pid > 0]).toEqual(["creating", "creating", true]);
    expect(JSON.parse(early).id).toBe(state.id);
    expect(innerMounts).toBe(mounts ?? "");
    // Another runtime is called in the container's network already.
    if (runtime === "gantry") expect(innerNetwork).not.toBe(hostNetwork ?? "");
  }
}, 30_000);

test("a step of a build has the devices that it asks for and is allowed, and nothing of them stays", async () => {
  const build = (line: string, ...allow: string[]) =>
    daemon.gantry(
      { input: `FROM busybox\n${line} sh -c '${SCRIPT}'` },
      ...["build", "--no-cache", "--progress", "plain", "-t", "with-device", ...allow, "-"],
    );
  for (const name of ["vendor.com/thing=fuse", "reader"]) {
    const { stderr, exitCode } = await build(`RUN --device=${name},required`, "--allow", "device");
    // What the step printed has its time in front; its header has the command itself.
    const printed = [...stderr.matchAll(/^#\d+ [\d.]+ (.*)$/gm)].map(([, text]) => text);
    expect([exitCode, ...printed.slice(0, 4)]).toEqual([
      0,
      "all fuse",
      "of the vendor",
      "read",
      "not written",
    ]);
    const left = await daemon.gantry("run", "--rm", "with-device", "ls", "/usr/lib");
    expect(left.stdout + left.stderr).not.toContain("thing");
  }
  const refused = await build("RUN --device=vendor.com/thing=fuse");
  expect(refused.stderr).toContain("needs --allow device=vendor.com/thing=fuse");
  const missing = await build("RUN --device=vendor.com/thing=nope,required", "--allow", "device");
  expect(missing.stderr).toContain('required device "vendor.com/thing=nope" is not registered');
  const optional = await daemon.gantry(
    { input: "FROM busybox\nRUN --device=nope true" },
    ...["build", "--progress", "plain", "-"],
  );
  expect([optional.exitCode, optional.stderr]).toEqual([
    0,
    expect.stringContaining('optional device "nope" is not registered'),
  ]);
}, 30_000);
