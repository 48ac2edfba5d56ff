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

test("checks know what base images set that only their registry has", async () => {
  const env = { DOCKER_CONFIG: folder };
  const base = `${registry.host}/sets`;
  using source = contextOf({ Dockerfile: "FROM busybox\nENV HERE=1" });
  await daemon.gantry("build", "-q", "-t", base, source.path);
  await daemon.docker({ env }, "push", base);
  await daemon.docker("rmi", base);
  using context = contextOf({
    Dockerfile: `ARG BASE\nFROM \${BASE}:latest AS one\nENV A=$HERE B=$GONE\nFROM one\nUSER $HERE$LOST`,
  });
  const args = ["build", "--check", "--build-arg", `BASE=${base}`, context.path];
  const { stdout, stderr } = await daemon.gantry({ env }, ...args);
  expect(stderr).toBe("");
  expect(stdout.match(/^Usage of .*/gm)).toEqual([
    "Usage of undefined variable '$GONE'",
    "Usage of undefined variable '$LOST'",
  ]);
  expect((await daemon.docker("images", "-q", base)).stdout).toBe("");

  const refused = await daemon.gantry({ env: { DOCKER_CONFIG: "/nonexistent" } }, ...args);
  expect(refused.stderr).toContain("no basic auth credentials");
  expect(refused.stderr).toContain("Dockerfile:2\n");
  expect(refused.stderr).toContain("2 | >>> FROM ${BASE}:latest AS one");
  expect(refused.exitCode).toBe(1);
  // A file that needs nothing of its base is checked without it.
  using plain = contextOf({ Dockerfile: `FROM ${registry.host}/none\nENV A=1\nENV B=$A` });
  expect((await daemon.gantry({ env }, "build", "--check", plain.path)).stdout).toContain("no warnings");

  const built = await daemon.gantry({ env }, "build", "--build-arg", `BASE=${base}`, context.path);
  expect(built.stderr).toContain("Usage of undefined variable '$GONE'");
});
