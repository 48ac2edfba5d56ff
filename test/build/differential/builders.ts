import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { limiter } from "../../../src/platform/index.ts";
import type { Dockerd } from "../../compat/dockerd.ts";
import { type Finished, runProgram, type TestDaemon } from "../../harness/index.ts";
import type { Buildah } from "./buildah.ts";
import { readSavedImages, type SavedImage } from "./image-tree.ts";

/** Something that builds Dockerfiles. Its images are all read at once, at the end. */
export interface Builder {
  build(image: string, context: string, dockerfile: string, options: readonly string[]): Promise<Finished>;
  save(images: readonly string[], archive: string): Promise<Finished>;
}

/** Of one build: a machine may have much else to do. */
const LIMIT_MS = 300_000;
const CLASSIC = { env: { DOCKER_BUILDKIT: "0" }, limitMs: LIMIT_MS };

export const dockerBuilder = (engine: Pick<Dockerd | TestDaemon, "docker">): Builder => ({
  build: (image, context, dockerfile, options) =>
    engine.docker(CLASSIC, "build", "-t", image, "-f", join(context, dockerfile), ...options, context),
  save: (images, archive) => engine.docker({ limitMs: LIMIT_MS }, "save", "-o", archive, ...images),
});

/** With Gantry's own client, which knows the flags that docker's lacks. */
export const gantryBuilder = (engine: TestDaemon): Builder => ({
  build: (image, context, dockerfile, options) =>
    engine.gantry(
      { limitMs: LIMIT_MS },
      "build",
      "-t",
      image,
      "-f",
      join(context, dockerfile),
      ...options,
      context,
    ),
  save: (images, archive) => engine.docker({ limitMs: LIMIT_MS }, "save", "-o", archive, ...images),
});

export const buildahBuilder = (store: Buildah): Builder => ({
  build: (image, context, dockerfile, options) =>
    store.buildah(
      { limitMs: LIMIT_MS },
      // In a chroot, because its containers want control groups as systemd makes them.
      ...["bud", "--isolation", "chroot", "--format", "docker", "--pull=never", "--identity-label=false"],
      ...["-t", image, "-f", join(context, dockerfile), ...options, context],
    ),
  save: (images, archive) =>
    store.podman({ limitMs: LIMIT_MS }, "save", "-q", "--multi-image-archive", "-o", archive, ...images),
});

export interface Work {
  readonly name: string;
  readonly dockerfile: string;
  readonly options: readonly string[];
}

export interface Built {
  readonly said: ReadonlyMap<string, Finished>;
  readonly images: ReadonlyMap<string, SavedImage>;
}

/** Build the bases, then all else, a few at a time, and read what came of it. `folder` is for the archive. */
export async function buildAll(
  builder: Builder,
  context: string,
  bases: readonly Work[],
  works: readonly Work[],
  folder: string,
): Promise<Built> {
  const said = new Map<string, Finished>();
  if (works.length === 0) return { said, images: new Map() };
  const slot = limiter(3);
  const build = ({ name, dockerfile, options }: Work) =>
    slot(async () => {
      said.set(name, await builder.build(name, context, dockerfile, options));
    });
  await Promise.all(bases.map(build));
  await Promise.all(works.map(build));
  const made = works.map(({ name }) => name).filter((name) => said.get(name)?.exitCode === 0);
  if (made.length === 0) throw new Error(`nothing was built: ${said.values().next().value?.stderr}`);
  mkdirSync(folder);
  const archive = `${folder}.tar`;
  const saved = await builder.save(["busybox", ...made], archive);
  if (saved.exitCode !== 0) throw new Error(`saving: ${saved.stderr}`);
  const unpacked = await runProgram("tar", ["-xf", archive, "-C", folder]);
  if (unpacked.exitCode !== 0) throw new Error(`unpacking: ${unpacked.stderr}`);
  return { said, images: await readSavedImages(folder) };
}
