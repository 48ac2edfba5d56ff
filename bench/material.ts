import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../test/harness/index.ts";
import type { Peer } from "./peer.ts";
import type { EmptyRegistry } from "./registries.ts";
import type { Material } from "./row.ts";
import { prepare } from "./run.ts";

/** Kept from run to run: making it downloads packages. */
export const KEPT = join(import.meta.dirname, "../dist/bench");

/** A Debian root file system made by mmdebstrap, and an archive of it in Docker's format and in a registry, both written by docker. */
export async function makeMaterial(
  folder: string,
  docker: Peer,
  registry: string,
  emptyRegistry: EmptyRegistry,
): Promise<Material> {
  mkdirSync(KEPT, { recursive: true });
  const rootfs = join(KEPT, "debian.tar");
  if (!existsSync(rootfs)) {
    const part = join(KEPT, "part.tar");
    const packages = "--include=ca-certificates,perl,python3-minimal";
    const made = await runProgram("mmdebstrap", ["--variant=minbase", packages, "bookworm", part], {
      limitMs: 600_000,
    });
    if (made.exitCode !== 0) throw new Error(`mmdebstrap: ${made.stderr}`);
    renameSync(part, rootfs);
  }
  const debianArchive = join(folder, "debian.tar");
  await prepare(docker, "import", rootfs, "debian");
  await prepare(docker, "save", "-o", debianArchive, "debian");
  await prepare(docker, "tag", "debian", `${registry}/debian:bench`);
  await prepare(docker, "push", "-q", `${registry}/debian:bench`);
  await prepare(docker, "rmi", "debian", `${registry}/debian:bench`);
  return { folder, rootfs, debianArchive, registry, emptyRegistry };
}
