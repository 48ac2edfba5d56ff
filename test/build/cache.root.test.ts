import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { GantryRegistry } from "../registry/gantry-registry.ts";
import { contextOf } from "./context.ts";

/** Two engines that have nothing in common but a registry and a folder: what one made, the other finds. */
let first: TestDaemon;
let second: TestDaemon;
let registry: GantryRegistry;
const folder = mkdtempSync(join(tmpdir(), "gantry-caches-"));
beforeAll(async () => {
  registry = await GantryRegistry.start(join(folder, "registry"));
  [first, second] = await Promise.all([startDaemon(), startDaemon()]);
}, 60_000);
afterAll(async () => {
  await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const STAGES = `
FROM busybox AS made
WORKDIR /work
COPY f .
RUN cat f f >twice && cat /proc/sys/kernel/random/uuid >when
FROM busybox
RUN cat /proc/sys/kernel/random/uuid >/now
COPY --from=made /work/twice /work/when /out/
COPY f /
`;

/** Forget all that was built, as a new machine would. */
async function forget(daemon: TestDaemon): Promise<void> {
  const ids = (await daemon.docker("images", "-q")).stdout.split("\n").filter(Boolean);
  if (ids.length > 0) await daemon.docker("rmi", "-f", ...ids);
  await daemon.gantry("builder", "prune", "-af");
}
const build = (daemon: TestDaemon, path: string, ...args: string[]) =>
  daemon.gantry("build", "--progress", "plain", ...args, path);
const cached = (text: string) => text.match(/CACHED/g)?.length ?? 0;
const idOf = async (daemon: TestDaemon, name: string) =>
  (await daemon.docker("inspect", "-f", "{{.Id}}", name)).stdout.trim();

describe("a cache of another machine", () => {
  test.each(["min", "max"])("in a registry, mode %s, gives every step and the same image", async (mode) => {
    using context = contextOf({ Dockerfile: STAGES, f: `content for ${mode}` });
    const ref = `${registry.host}/cache/${mode}:x`;
    const written = await build(
      first,
      context.path,
      "-t",
      "it",
      "--cache-to",
      `type=registry,ref=${ref},mode=${mode}`,
    );
    expect(written.stderr).toContain(`cache written to ${ref}`);
    expect(written.exitCode).toBe(0);
    const read = await build(second, context.path, "-t", "it", "--cache-from", `type=registry,ref=${ref}`);
    expect(read.exitCode).toBe(0);
    expect(cached(read.stderr)).toBe(6);
    expect(await idOf(second, "it")).toBe(await idOf(first, "it"));
    expect((await second.api("GET", "/build/cache")).body).toContain(`"Origin":"${ref}"`);
    // What came is the second engine's own now.
    expect(cached((await build(second, context.path)).stderr)).toBe(6);
    await forget(second);
    expect(cached((await build(second, context.path)).stderr)).toBe(0);
  });

  test("that has all steps gives those of a stage that changed in its middle", async () => {
    const files = {
      Dockerfile: STAGES.replace("COPY f .", "RUN cat /proc/sys/kernel/random/uuid >early\nCOPY f ."),
      f: "one",
    };
    const ref = `${registry.host}/cache/middle`;
    using context = contextOf(files);
    const to = `type=registry,ref=${ref},mode=max`;
    await build(first, context.path, "--cache-to", to);
    // Passed on by an engine that looked at nothing but the last stage.
    await build(second, context.path, "--cache-from", ref, "--cache-to", to);
    await forget(first);
    writeFileSync(join(context.path, "f"), "two");
    const again = await build(first, context.path, "--cache-from", ref);
    expect(again.exitCode).toBe(0);
    // WORKDIR and the early RUN of the first stage, the RUN of the last.
    expect(cached(again.stderr)).toBe(3);
  });

  test("gives way to what is made anew, and is written of that as well", async () => {
    using context = contextOf({ Dockerfile: STAGES, f: "anew" });
    const ref = `${registry.host}/cache/anew`;
    await build(first, context.path, "--no-cache", "-t", "it", "--cache-to", ref);
    expect(cached((await build(second, context.path, "-t", "it", "--cache-from", ref)).stderr)).toBe(6);
    const when = async () => (await second.docker("run", "--rm", "it", "cat", "/out/when")).stdout;
    const before = await when();
    await build(second, context.path, "-t", "it", "--no-cache-filter", "made");
    const after = await when();
    expect(after).not.toBe(before);
    await build(second, context.path, "-t", "it");
    expect(await when()).toBe(after);
  });

  test("is written in BuildKit's form", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/when" });
    const ref = `${registry.host}/cache/form:x`;
    await build(first, context.path, "--cache-to", `type=registry,ref=${ref}`);
    const get = async (path: string) =>
      JSON.parse(await (await fetch(`${registry.url}/v2/cache/form/${path}`)).text());
    const manifest = await get("manifests/x");
    expect(manifest.config.mediaType).toBe("application/vnd.buildkit.cacheconfig.v0");
    const config = await get(`blobs/${manifest.config.digest}`);
    expect(config.layers.map(({ parent }: { parent: number }) => parent)).toEqual([-1, 0]);
    expect(config.layers[1].blob).toBe(manifest.layers[1].digest);
    expect(config.records[0].layers[0].layer).toBe(1);
  });

  test("within an image is used by its name: BuildKit's argument, the docker CLI", async () => {
    using context = contextOf({ Dockerfile: STAGES, f: "inline" });
    const name = `${registry.host}/app:inline`;
    const docker = (daemon: TestDaemon, ...args: string[]) =>
      daemon.docker({ env: { DOCKER_BUILDKIT: "0" } }, ...args);
    await docker(first, "build", "-t", name, "--build-arg", "BUILDKIT_INLINE_CACHE=1", context.path);
    await docker(first, "push", name);
    const read = await docker(
      second,
      "build",
      "-t",
      name,
      "--cache-from",
      name,
      "--build-arg",
      "BUILDKIT_INLINE_CACHE=1",
      context.path,
    );
    expect(read.stdout.match(/Using cache/g)).toHaveLength(6);
    expect(await idOf(second, name)).toBe(await idOf(first, name));
    // One that was pulled before says it all by itself.
    await forget(second);
    await docker(second, "pull", "-q", name);
    expect(
      (await docker(second, "build", "--cache-from", name, context.path)).stdout.match(/Using cache/g),
    ).toHaveLength(6);
  });

  test("in a folder is an OCI layout, to which others are added", async () => {
    using context = contextOf({ Dockerfile: STAGES, f: "folder" });
    const dest = join(folder, "layout");
    await build(first, context.path, "-t", "it", "--cache-to", `type=local,dest=${dest},mode=max`);
    await build(first, context.path, "--cache-to", `type=local,dest=${dest},tag=other`);
    const index = JSON.parse(readFileSync(join(dest, "index.json"), "utf8"));
    expect(index.manifests).toHaveLength(2);
    expect(readdirSync(dest).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    for (const tag of ["latest", "other"]) {
      await forget(second);
      const read = await build(
        second,
        context.path,
        "-t",
        "it",
        "--cache-from",
        `type=local,src=${dest},tag=${tag}`,
      );
      expect(cached(read.stderr)).toBe(6);
    }
    expect(await idOf(second, "it")).toBe(await idOf(first, "it"));
  });

  test("that is missing, broken or no cache is told of, and the build goes on", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/when" });
    const name = `${registry.host}/none`;
    const gone = await build(
      second,
      context.path,
      "--cache-from",
      name,
      "--cache-from",
      "type=local,src=/nowhere",
    );
    expect(gone.stderr).toContain(`cache ${name} is not used: `);
    expect(gone.stderr).toContain("local cache import at /nowhere is not used");
    expect(gone.exitCode).toBe(0);
    await first.docker("tag", "busybox", `${registry.host}/plain`);
    await first.docker("push", `${registry.host}/plain`);
    const plain = await build(second, context.path, "--cache-from", `${registry.host}/plain`);
    expect(plain.stderr).toContain("it holds no cache");
    expect(plain.exitCode).toBe(0);
    const broken = join(folder, "broken");
    await build(first, context.path, "--no-cache", "--cache-to", `type=local,dest=${broken}`);
    const blobs = join(broken, "blobs/sha256");
    for (const blob of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, blob));
      if (bytes[0] === 0x1f)
        writeFileSync(join(blobs, blob), Buffer.concat([bytes.subarray(1), Buffer.from("x")]));
    }
    const read = await build(second, context.path, "--no-cache", "--cache-from", `type=local,src=${broken}`);
    expect(read.stderr).toContain("does not match its digest");
    expect(read.exitCode).toBe(0);
  });

  test("that cannot be written fails the build, unless that is to be ignored", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nRUN true" });
    const to = "type=registry,ref=127.0.0.1:1/cache";
    expect((await build(first, context.path, "--cache-to", to)).exitCode).not.toBe(0);
    const ignored = await build(first, context.path, "--cache-to", `${to},ignore-error=true`);
    expect(ignored.stderr).toContain("[Warning] the cache was not written");
    expect(ignored.exitCode).toBe(0);
    const other = await build(first, context.path, "--cache-to", "type=gha");
    expect(other.stderr).toContain("a cache of type gha is not supported: use inline, registry or local");
    expect(other.exitCode).not.toBe(0);
  });
});
