import { join } from "node:path";
import { startDockerd } from "../../compat/dockerd.ts";
import { Buildah } from "./buildah.ts";
import { type Builder, type Built, buildAll, buildahBuilder, dockerBuilder, type Work } from "./builders.ts";
import { basePaths, type Case, nameOf, within } from "./cases.ts";

const BUSYBOX = join(import.meta.dirname, "../../../dist/images/busybox.tar");

/** The bases of these cases. */
const basesOf = (cases: readonly Case[]): Work[] =>
  basePaths
    .map((file) => ({ name: nameOf(file), dockerfile: within(file), options: [] }))
    .filter(({ name }) => cases.some(({ bases }) => bases.includes(name)));

/** Cases as Gantry builds them. */
export const buildOwn = (
  builder: Builder,
  cases: readonly Case[],
  context: string,
  folder: string,
): Promise<Built> =>
  buildAll(
    builder,
    context,
    basesOf(cases),
    cases.map(({ name, dockerfile, options }) => ({ name, dockerfile, options })),
    folder,
  );

/** Cases as others build them: dockerd those of the classic language, buildah the rest. `folder` has to be there. */
export async function buildByPeers(cases: readonly Case[], context: string, folder: string): Promise<Built> {
  const build = (builder: Builder, wanted: readonly Case[], name: string) =>
    buildAll(
      builder,
      context,
      basesOf(wanted),
      wanted.map(({ name, peerDockerfile, peerOptions }) => ({
        name,
        dockerfile: peerDockerfile,
        options: peerOptions,
      })),
      join(folder, name),
    );
  const byDocker = async () => {
    await using docker = await startDockerd();
    await docker.docker({ limitMs: 60_000 }, "load", "-i", BUSYBOX);
    return await build(dockerBuilder(docker), cases.filter(isClassic), "docker");
  };
  const byBuildah = async () => {
    using buildah = new Buildah();
    await buildah.podman({ limitMs: 60_000 }, "load", "-q", "-i", BUSYBOX);
    return await build(
      buildahBuilder(buildah),
      cases.filter((one) => !isClassic(one)),
      "buildah",
    );
  };
  return merged(...(await Promise.all([byDocker(), byBuildah()])));
}

export const isClassic = ({ language }: Case): boolean => language === "classic";

export const merged = (a: Built, b: Built): Built => ({
  said: new Map([...a.said, ...b.said]),
  images: new Map([...a.images, ...b.images]),
});
