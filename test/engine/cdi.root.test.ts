import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  const folder = join(daemon.folder, "config/cdi");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(daemon.folder, "library"), "of the vendor");
  writeFileSync(
    join(folder, "vendor.yaml"),
    `cdiVersion: "0.5.0"
kind: vendor.com/thing
containerEdits:
  env: [THING=all]
devices:
  - name: fuse
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
      hooks: [{hookName: createContainer, path: /bin/true}]
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
  "echo $THING $THING_NAME; cat /usr/lib/thing; echo; true < /dev/thing0 && echo read; true > /dev/thing0 || echo not written";

test("a device of a CDI file brings its nodes, its rights, its mounts and its variables", async () => {
  for (const client of [daemon.docker.bind(daemon), daemon.gantry.bind(daemon)]) {
    const { stdout } = await client(
      "run",
      "--rm",
      "--device",
      "vendor.com/thing=fuse",
      "busybox",
      "sh",
      "-c",
      SCRIPT,
    );
    expect(stdout).toBe("all fuse\nof the vendor\nread\nnot written\n");
  }
}, 30_000);

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
    ["vendor.com/thing=hooked", "runs no hooks of devices"],
  ]) {
    const { exitCode, stderr } = await daemon.docker(
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
