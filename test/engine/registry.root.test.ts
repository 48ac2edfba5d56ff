import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { runProgram } from "../harness/program.ts";
import { DockerRegistry } from "../registry/docker-registry.ts";

let daemon: TestDaemon;
let registry: DockerRegistry;
let name = "";

beforeAll(async () => {
  [daemon, registry] = await Promise.all([startDaemon(), DockerRegistry.start()]);
  name = `${registry.host}/team/app`;
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
});

const digestIn = (text: string) => /digest: (sha256:[0-9a-f]{64})/.exec(text)?.[1] ?? "";

test("docker pushes through the engine; the digest is the same each time and what skopeo sees", async () => {
  await daemon.docker("pull", "busybox");
  await daemon.docker("tag", "busybox", `${name}:v1`);
  const first = await daemon.docker("push", `${name}:v1`);
  expect(first).toMatchObject({ exitCode: 0, stderr: "" });
  expect(first.stdout).toContain(`The push refers to repository [${name}]`);
  const again = await daemon.docker("push", `${name}:v1`);
  expect(again.stdout).toContain("Layer already exists");
  expect(digestIn(again.stdout)).toBe(digestIn(first.stdout));
  const seen = await runProgram("skopeo", ["inspect", "--tls-verify=false", `docker://${name}:v1`]);
  expect(JSON.parse(seen.stdout).Digest).toBe(digestIn(first.stdout));
});

test("a second repository of the same registry is given the blobs without an upload", async () => {
  await daemon.docker("tag", "busybox", `${registry.host}/other/copy:v1`);
  const pushed = await daemon.docker("push", `${registry.host}/other/copy:v1`);
  expect(pushed.stdout).toContain("Mounted from team/app");
});

test("run pulls what is absent, with docker's lines, and starts it", async () => {
  await daemon.docker("rmi", `${name}:v1`, `${registry.host}/other/copy:v1`, "busybox");
  const ran = await daemon.docker("run", "--rm", `${name}:v1`, "echo", "hello");
  expect(ran.stdout).toBe("hello\n");
  expect(ran.stderr).toContain(`Unable to find image '${name}:v1' locally`);
  expect(ran.stderr).toContain("v1: Pulling from team/app");
  expect(ran.stderr).toContain(`Status: Downloaded newer image for ${name}:v1`);
  const listed = await daemon.docker("images", "--digests", "--format", "{{.Repository}} {{.Digest}}");
  expect(listed.stdout).toMatch(new RegExp(`^${name} sha256:`, "m"));
});

test("what is not there is told in docker's words", async () => {
  const absent = await daemon.docker("pull", `${name}:none`);
  expect(absent.exitCode).toBe(1);
  expect(absent.stderr).toContain(`manifest for ${name}:none not found: manifest unknown: manifest unknown`);
  const unknown = await daemon.docker("push", `${name}:none`);
  expect(unknown.stderr).toContain(`tag does not exist: ${name}:none`);
  const nobody = await daemon.docker("pull", "127.0.0.1:1/x");
  expect(nobody.stderr).toContain("connect: connection refused");
});
