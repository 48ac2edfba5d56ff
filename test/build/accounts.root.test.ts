import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { GantryRegistry } from "../registry/gantry-registry.ts";
import { contextOf } from "./context.ts";

let daemon: TestDaemon;
let registry: GantryRegistry;
const folder = mkdtempSync(join(tmpdir(), "gantry-accounts-"));
/** As htpasswd -nbB wrote it: "secret". */
const USERS = "alice:$2y$05$4/M4dZviYW9IOIQF4zZkzOJ6dq4unYbfzEbnmN3cXsOBP9W0GPmg.\n";

beforeAll(async () => {
  writeFileSync(join(folder, "users"), USERS);
  registry = await GantryRegistry.start(join(folder, "registry"), ["--htpasswd", join(folder, "users")]);
  const auth = Buffer.from("alice:secret").toString("base64");
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test("a build uses the client's accounts for base images and caches", async () => {
  const env = { DOCKER_CONFIG: folder, DOCKER_BUILDKIT: "0" };
  const base = `${registry.host}/base`;
  await daemon.docker("pull", "busybox");
  await daemon.docker("tag", "busybox", base);
  await daemon.docker({ env }, "push", base);
  await daemon.docker("rmi", base);
  using context = contextOf({ Dockerfile: `FROM ${base}\nRUN true` });
  const refused = await daemon.docker(
    { env: { ...env, DOCKER_CONFIG: "/nonexistent" } },
    "build",
    context.path,
  );
  expect(refused.stderr).toContain("no basic auth credentials");
  expect(refused.exitCode).not.toBe(0);
  expect((await daemon.docker({ env }, "build", context.path)).exitCode).toBe(0);
  await daemon.docker("rmi", "-f", base);
  const to = `type=registry,ref=${registry.host}/cache`;
  const own = await daemon.gantry({ env }, "build", "--pull", "--cache-to", to, context.path);
  expect(own.stderr).toContain("cache written to");
  expect(own.exitCode).toBe(0);
});
