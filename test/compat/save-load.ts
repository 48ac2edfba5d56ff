import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { runProgram, succeed, type TestDaemon } from "../harness/index.ts";
import type { Dockerd } from "./dockerd.ts";
import { imageId } from "./engines.ts";
import { buildFixture, layerAttributes, listFiles } from "./fixture.ts";
import type { Pair } from "./pair.ts";

/** Images change hands by archives. */
export function describeSaveLoad(pair: () => Pair): void {
  let docker: Dockerd;
  let gantry: TestDaemon;
  let folder: string;
  /** Of fixture:latest, as Docker built it. */
  let id: string;
  let files: string;

  beforeAll(async () => {
    ({ docker, gantry, folder } = pair());
    await buildFixture(docker, folder);
    id = await imageId(docker, "fixture:latest");
    files = await listFiles(docker, "fixture");
    await succeed(docker, "save", "-o", join(folder, "docker.tar"), "fixture:latest", "fixture:1");
    await succeed(gantry, "load", "-i", join(folder, "docker.tar"));
  }, 60_000);

  describe("what Docker saved, Gantry loads", () => {
    test("under the same names and ids", async () => {
      expect(await imageId(gantry, "fixture:latest")).toBe(id);
      expect(await imageId(gantry, "fixture:1")).toBe(await imageId(docker, "fixture:1"));
    });

    test("with every file as it is with Docker", async () => {
      expect(files.split("\n").length).toBeGreaterThan(60);
      expect((await listFiles(gantry, "fixture")).split("\n")).toEqual(files.split("\n"));
      const first = await listFiles(docker, "fixture:1");
      expect((await listFiles(gantry, "fixture:1")).split("\n")).toEqual(first.split("\n"));
    });

    test("with extended attributes, which the kernel heeds", async () => {
      const command = [
        "run",
        "--rm",
        "-u",
        "1000",
        "fixture",
        "/busybox-capable",
        "grep",
        "CapPrm",
        "/proc/self/status",
      ];
      const capabilities = await succeed(docker, ...command);
      expect(capabilities).toContain("0000000000000400");
      expect(await succeed(gantry, ...command)).toBe(capabilities);
      expect(await layerAttributes(gantry, "fixture")).toEqual(await layerAttributes(docker, "fixture"));
    });

    test("with the same config and layers", async () => {
      const paths = [
        "Id",
        "Created",
        "Architecture",
        "Os",
        "RootFS",
        "Config.Env",
        "Config.Cmd",
        "Config.Labels",
      ];
      const format = paths.map((path) => `{{json .${path}}}`).join("\n");
      const [theirs, ours] = await Promise.all(
        [docker, gantry].map((engine) => succeed(engine, "image", "inspect", "-f", format, "fixture")),
      );
      expect(ours).toBe(theirs as string);
    });

    test("from standard input, compressed, and over an image of the same name", async () => {
      await succeed(gantry, "tag", "busybox", "fixture:1");
      const archive = join(folder, "docker.tar");
      expect((await runProgram("zstd", ["-q", "-1", archive])).exitCode).toBe(0);
      const said = await succeed(gantry, "load", "-i", `${archive}.zst`);
      expect(said).toContain("The image fixture:1 already exists, renaming the old one with ID sha256:");
      expect(await imageId(gantry, "fixture:1")).toBe(await imageId(docker, "fixture:1"));
    });
  });

  describe("what Gantry saved, Docker loads", () => {
    /** Docker forgets the images, and gets them from an archive. */
    async function reload(archive: string): Promise<void> {
      await succeed(docker, "image", "prune", "-af");
      await succeed(docker, "load", "-i", archive);
    }

    test("an image of Docker's: the same id, the same files", async () => {
      const archive = join(folder, "gantry.tar");
      await succeed(gantry, "save", "-o", archive, "fixture:latest");
      await reload(archive);
      expect(await imageId(docker, "fixture:latest")).toBe(id);
      expect((await listFiles(docker, "fixture")).split("\n")).toEqual(files.split("\n"));
    });

    test("an image that Gantry imported, with sparse members: the same id, the same files", async () => {
      const archive = join(folder, "imported.tar");
      await succeed(gantry, "import", "-c", 'CMD ["sh"]', join(folder, "sparse.tar"), "imported");
      await succeed(gantry, "save", "-o", archive, "imported", "busybox");
      await reload(archive);
      for (const name of ["imported", "busybox"]) {
        expect(await imageId(docker, name)).toBe(await imageId(gantry, name));
      }
      expect((await listFiles(docker, "imported")).split("\n")).toEqual(
        (await listFiles(gantry, "imported")).split("\n"),
      );
      expect(await layerAttributes(docker, "imported")).toEqual(await layerAttributes(gantry, "imported"));
    });
  });

  test("what Gantry committed, with holes and with two names of a capable file, Docker runs and saves again", async () => {
    const script = "truncate -s 8M /holes; echo end >> /holes; ln /busybox-capable /busybox-too";
    await succeed(gantry, "run", "--name", "made", "fixture", "sh", "-ec", script);
    await succeed(gantry, "commit", "made", "made");
    await succeed(gantry, "rm", "made");
    const archive = join(folder, "made.tar");
    await succeed(gantry, "save", "-o", archive, "made");
    await succeed(docker, "load", "-i", archive);
    const command = ["/busybox-too", "grep", "CapPrm", "/proc/self/status"];
    expect(await succeed(docker, "run", "--rm", "-u", "1000", "made", ...command)).toContain(
      "0000000000000400",
    );
    await succeed(docker, "save", "-o", join(folder, "made-again.tar"), "made");
    for (const engine of [docker, gantry]) await succeed(engine, "rmi", "made");
  });

  describe("skopeo between them", () => {
    const skopeo = async (...args: string[]) => {
      const { stdout, stderr, exitCode } = await runProgram(
        "skopeo",
        ["copy", "--insecure-policy", ...args],
        {
          limitMs: 60_000,
        },
      );
      if (exitCode !== 0) throw new Error(`skopeo ${args.join(" ")}: ${stderr}`);
      return stdout;
    };

    test.each(["gzip", "zstd"])(
      "Gantry's archive as an OCI layout with %s layers, and back",
      async (format) => {
        const saved = join(folder, `to-skopeo-${format}.tar`);
        const layout = join(folder, `${format}.oci.tar`);
        await succeed(gantry, "save", "-o", saved, "fixture:1");
        await skopeo(
          "--dest-compress",
          "--dest-compress-format",
          format,
          `docker-archive:${saved}`,
          `oci-archive:${layout}:docker.io/library/from-${format}:1`,
        );
        // A configuration is the same in OCI's form only if skopeo does not write it anew, so it has an id of its own.
        const inspected = await runProgram("skopeo", ["inspect", "--raw", `oci-archive:${layout}`]);
        const manifest: { config: { digest: string }; layers: { mediaType: string }[] } = JSON.parse(
          inspected.stdout,
        );
        expect(manifest.layers.map(({ mediaType }) => mediaType.replace(/.*\+/, ""))).toEqual([
          format,
          format,
        ]);

        await succeed(gantry, "load", "-i", layout);
        const loaded = await imageId(gantry, `from-${format}:1`);
        expect(loaded).toBe(manifest.config.digest);
        expect((await listFiles(gantry, `from-${format}:1`)).split("\n")).toEqual(
          (await listFiles(gantry, "fixture:1")).split("\n"),
        );

        const again = join(folder, `again-${format}.tar`);
        await succeed(gantry, "save", "-o", again, `from-${format}:1`);
        await succeed(docker, "load", "-i", again);
        expect(await imageId(docker, `from-${format}:1`)).toBe(loaded);
        expect(await listFiles(docker, `from-${format}:1`)).toBe(await listFiles(gantry, "fixture:1"));
      },
    );
  });
}
