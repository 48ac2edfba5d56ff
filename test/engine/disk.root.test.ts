import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { runProgram } from "../harness/program.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await daemon.gantry("pull", "-q", "busybox");
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

test("system df -v adds up to what du says of the data root", async () => {
  await daemon.docker(
    "run",
    "--name",
    "writer",
    "-v",
    "vol:/v",
    "busybox",
    "sh",
    "-c",
    "echo x > /file; echo y > /v/file",
  );
  const root = join(daemon.folder, "data");
  const [shown, du] = [
    await daemon.gantry("system", "df", "-v"),
    await runProgram("du", ["-sx", "--block-size=1", root]),
  ];
  const total = Number(/^Total\s+(\d+)/m.exec(shown.stdout)?.[1]);
  const counted = Number(du.stdout.split("\t")[0]);
  // The database grows by a page now and then.
  expect(Math.abs(total - counted)).toBeLessThan(64 * 1024);
  expect(shown.stdout).toContain("busybox:latest");
  const docker = await daemon.docker("system", "df", "--format", "{{.Type}} {{.TotalCount}}");
  expect(docker.stdout).toBe("Images 1\nContainers 1\nLocal Volumes 1\nBuild Cache 0\n");
});

test("a check of a running engine finds nothing; a damaged blob is found, and the exit code says so", async () => {
  expect(await daemon.gantry("system", "fsck")).toMatchObject({ exitCode: 0 });
  const blobs = join(daemon.folder, "data/content/blobs/sha256");
  const [name = ""] = readdirSync(blobs);
  const before = readFileSync(join(blobs, name));
  writeFileSync(join(blobs, name), "damaged");
  const found = await daemon.gantry("system", "fsck");
  expect(found).toMatchObject({ exitCode: 1 });
  expect(found.stdout).toContain(`blob sha256:${name}: the blob's bytes have the digest`);
  writeFileSync(join(blobs, name), before);
  rmSync(join(daemon.folder, "none"), { force: true });
});

test("images are shown as a tree of their layers, and explained", async () => {
  await daemon.docker("commit", "writer", "made:v1");
  const tree = await daemon.gantry("images", "--tree");
  expect(tree.stdout).toMatch(/^[0-9a-f]{12} {2}busybox:latest .*\n└─ [0-9a-f]{12} {2}made:v1 /);
  const layers = await daemon.gantry("image", "layers", "made:v1");
  expect(layers.stdout).toContain("/file");
  const diff = await daemon.gantry("image", "diff", "busybox", "made:v1");
  expect(diff.stdout).toContain("A /file (+2B)\n");
});

test("system prune removes what nobody uses, and says what", async () => {
  const pruned = await daemon.docker("system", "prune", "-af");
  expect(pruned.stdout).toContain("Deleted Containers:");
  expect(pruned.stdout).toContain("untagged: made:v1");
  expect((await daemon.gantry("images", "-q")).stdout).toBe("");
  expect(readdirSync(join(daemon.folder, "data/content/blobs/sha256"))).toEqual([]);
});
