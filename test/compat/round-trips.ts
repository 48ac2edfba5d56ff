import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, runProgram, succeed, testSinceDocker } from "../harness/index.ts";
import { DockerRegistry } from "../registry/docker-registry.ts";
import { onLoopbackOf } from "../registry/on-loopback-of.ts";
import { imageId } from "./engines.ts";
import type { Pair } from "./pair.ts";

const LIMIT = 60_000;
const digestIn = (text: string): string => /digest: (sha256:[0-9a-f]{64})/i.exec(text)?.[1] ?? "none";

const layersOf = (engine: Engine, name: string) =>
  succeed(engine, "image", "inspect", "-f", "{{json .RootFS.Layers}}", name);

/** Images go out by one program and come back by another: the same bytes, by archive and by registry. */
export function describeRoundTrips(pair: () => Pair): void {
  const stack = new AsyncDisposableStack();
  /** Short: podman takes a runroot of 50 characters at most. */
  let folder: string;
  let registry: DockerRegistry;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rt-"));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    // Docker may have lost what it was built with.
    await succeed(pair().docker, "load", "-i", join(pair().folder, "docker.tar"));
    registry = stack.use(await DockerRegistry.start());
    stack.use(await onLoopbackOf(pair().docker.pid, registry.host));
  }, LIMIT);
  afterAll(() => stack.disposeAsync());

  async function program(name: string, ...args: string[]): Promise<string> {
    const env = { HOME: folder, TMPDIR: folder, XDG_RUNTIME_DIR: folder };
    const { stdout, stderr, exitCode } = await runProgram(name, args, { env, limitMs: LIMIT });
    if (exitCode !== 0) throw new Error(`${name} ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout + stderr;
  }
  const own = async (...args: string[]) => {
    const { stderr, exitCode } = await pair().gantry.gantry({ limitMs: LIMIT }, ...args);
    if (exitCode !== 0) throw new Error(`gantry ${args.join(" ")}: ${stderr}`);
  };
  const skopeo = (...args: string[]) =>
    program("skopeo", "--insecure-policy", args[0] ?? "", ...args.slice(1));
  /** In dockerd's namespaces, so that what it writes to /run ends with them. */
  const podman = (...args: string[]) =>
    program(
      "nsenter",
      ...["-t", String(pair().docker.pid), "-n", "-m", "-p", "podman"],
      ...["--root", join(folder, "p"), "--runroot", join(folder, "r"), "--storage-driver", "vfs"],
      ...["--cgroup-manager", "cgroupfs", ...args],
    );
  const digestOf = async (source: string) =>
    JSON.parse(await skopeo("inspect", "--tls-verify=false", source)).Digest as string;
  const sameFile = (one: string, other: string) =>
    readFileSync(join(folder, one)).equals(readFileSync(join(folder, other)));

  describe("archives round", () => {
    test(
      "skopeo reads Gantry's archive in both forms, and Gantry saves the same bytes after it went round",
      async () => {
        const { gantry } = pair();
        const id = await imageId(gantry, "fixture:latest");
        const path = (name: string) => join(folder, name);
        // Both are an OCI layout inside.
        for (const format of ["oci", "docker-archive"]) {
          await succeed(gantry, "tag", id, "round:1");
          const saved = `${format}.tar`;
          await own("save", "--format", format, "-o", path(saved), "round:1");
          const digest = await digestOf(`oci-archive:${path(saved)}`);
          // Layers stay as they are, compressed or not.
          await skopeo(
            "copy",
            "--preserve-digests",
            `oci-archive:${path(saved)}`,
            `oci-archive:${path(`copy-${saved}`)}:docker.io/library/round:1`,
          );
          expect(await digestOf(`oci-archive:${path(`copy-${saved}`)}`)).toBe(digest);
          await succeed(gantry, "rmi", "round:1");
          await succeed(gantry, "load", "-i", path(`copy-${saved}`));
          expect(await imageId(gantry, "round:1")).toBe(id);
          await own("save", "--format", format, "-o", path(`again-${saved}`), "round:1");
          expect(sameFile(saved, `again-${saved}`)).toBe(true);
          await succeed(gantry, "rmi", "round:1");
        }
        await succeed(gantry, "save", "-o", path("one.tar"), "fixture:1", "busybox");
        await succeed(gantry, "save", "-o", path("two.tar"), "fixture:1", "busybox");
        expect(sameFile("one.tar", "two.tar")).toBe(true);
      },
      LIMIT,
    );

    test(
      "podman loads what Gantry saved, and Gantry what podman saved, in both of its forms",
      async () => {
        const { gantry } = pair();
        const id = await imageId(gantry, "fixture:1");
        await succeed(gantry, "tag", id, "localhost/podman:1");
        await succeed(gantry, "save", "-o", join(folder, "to-podman.tar"), "localhost/podman:1");
        await succeed(gantry, "rmi", "localhost/podman:1");
        await podman("load", "-i", join(folder, "to-podman.tar"));
        expect(await podman("images", "--no-trunc", "-q", "localhost/podman:1")).toContain(id);
        for (const format of ["docker-archive", "oci-archive"]) {
          const archive = join(folder, `podman-${format}.tar`);
          await podman("save", "--format", format, "-o", archive, "localhost/podman:1");
          const said = await succeed(gantry, "load", "-i", archive);
          expect(said).toContain("Loaded image: localhost/podman:1");
          expect(await layersOf(gantry, "localhost/podman:1")).toBe(await layersOf(gantry, "fixture:1"));
          // podman writes a config anew in OCI's form; in Docker's it keeps it.
          if (format === "docker-archive") expect(await imageId(gantry, "localhost/podman:1")).toBe(id);
          await succeed(gantry, "rmi", "localhost/podman:1");
        }
      },
      LIMIT,
    );

    testSinceDocker(28, "save --platform")(
      "docker's --platform is heeded by save and load",
      async () => {
        const { gantry } = pair();
        const archive = join(folder, "platform.tar");
        await succeed(gantry, "save", "--platform", "linux/amd64", "-o", archive, "fixture:1");
        await succeed(gantry, "load", "--platform", "linux/amd64", "-i", archive);
        const wrong = await gantry.docker("save", "--platform", "linux/arm64", "-o", archive, "fixture:1");
        expect([wrong.exitCode, wrong.stderr]).toEqual([
          1,
          expect.stringContaining("does not provide the specified platform (linux/arm64/v8)"),
        ]);
        const other = await gantry.docker("load", "--platform", "linux/arm64", "-i", join(folder, "one.tar"));
        expect([other.exitCode, other.stderr]).toEqual([
          1,
          expect.stringContaining("requested platform (linux/arm64/v8) not found"),
        ]);
      },
      LIMIT,
    );
  });

  describe("a registry between them", () => {
    test(
      "docker pushes, Gantry pulls, pushes and has the same digest, docker pulls",
      async () => {
        const { docker, gantry } = pair();
        const [theirs, ours] = [`${registry.host}/docker/app:1`, `${registry.host}/gantry/app:1`];
        const archive = join(pair().folder, "base.tar");
        await succeed(docker, "import", "-c", "LABEL from=docker", archive, theirs);
        const id = await imageId(docker, theirs);
        const pushed = digestIn(await succeed(docker, "push", theirs));
        expect(await succeed(gantry, "pull", theirs)).toContain(`Digest: ${pushed}`);
        expect(await imageId(gantry, theirs)).toBe(id);
        await succeed(gantry, "tag", theirs, ours);
        expect(digestIn(await succeed(gantry, "push", ours))).toBe(pushed);
        expect(digestIn(await succeed(gantry, "push", ours))).toBe(pushed);
        await succeed(docker, "rmi", theirs);
        expect(await succeed(docker, "pull", ours)).toContain(`Digest: ${pushed}`);
        expect(await imageId(docker, ours)).toBe(id);
        expect(await digestOf(`docker://${ours}`)).toBe(pushed);
      },
      LIMIT,
    );

    test(
      "Gantry pushes what it imported, docker, podman and skopeo have the same bytes of it",
      async () => {
        const { docker, gantry } = pair();
        const name = `${registry.host}/imported/app:1`;
        await succeed(gantry, "import", join(pair().folder, "sparse.tar"), name);
        const id = await imageId(gantry, name);
        const pushed = digestIn(await succeed(gantry, "push", name));
        expect(await succeed(docker, "pull", name)).toContain(`Digest: ${pushed}`);
        expect(await imageId(docker, name)).toBe(id);
        await podman("pull", "--tls-verify=false", name);
        expect(await podman("images", "--no-trunc", "-q", name)).toContain(id);
        const layout = join(folder, "imported.tar");
        await skopeo("copy", "--src-tls-verify=false", `docker://${name}`, `oci-archive:${layout}:${name}`);
        expect(await digestOf(`oci-archive:${layout}`)).toBe(pushed);
        await succeed(gantry, "rmi", name);
        await succeed(gantry, "load", "-i", layout);
        expect(await imageId(gantry, name)).toBe(id);
        expect(digestIn(await succeed(gantry, "push", name))).toBe(pushed);
      },
      LIMIT,
    );

    test(
      "podman pushes, Gantry pulls and pushes the same",
      async () => {
        const { gantry } = pair();
        const name = `${registry.host}/podman/app:1`;
        await podman("import", join(pair().folder, "base.tar"), "localhost/imported:1");
        await podman("push", "--tls-verify=false", "localhost/imported:1", name);
        const digest = await digestOf(`docker://${name}`);
        expect(await succeed(gantry, "pull", name)).toContain(`Digest: ${digest}`);
        await succeed(gantry, "tag", name, `${registry.host}/podman/copy:1`);
        expect(digestIn(await succeed(gantry, "push", `${registry.host}/podman/copy:1`))).toBe(digest);
      },
      LIMIT,
    );
  });
}
