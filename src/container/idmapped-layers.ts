import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { messageOf, unsupported } from "../errors/index.ts";
import { removeTree } from "../platform/index.ts";
import { createFileCopier } from "../runtime/files/index.ts";
import type { IdMaps } from "../runtime/index.ts";

/**
 * Put a root of two folders below `folder` together as that of a container with these ids. Throws unsupported when the
 * kernel (before Linux 5.19) or the folder's file system has no idmapped mounts that overlayfs takes as layers.
 */
export async function requireIdmappedLayers(
  shim: string,
  folder: string,
  idMaps: IdMaps,
  signal: AbortSignal,
): Promise<void> {
  const probe = mkdtempSync(join(folder, "idmap-"));
  const place = (name: string) => join(probe, name);
  for (const name of ["lower", "upper", "work"]) mkdirSync(place(name));
  const operations = [
    {
      op: "rootfs-overlay" as const,
      lower: [place("lower")],
      upper: place("upper"),
      work: place("work"),
      options: [],
      shifted: { owners: idMaps, folders: [probe] },
    },
    { op: "id-map" as const, ...idMaps, allowSetgroups: true },
  ];
  try {
    await createFileCopier(shim, { operations }).stat("/", signal);
  } catch (cause) {
    throw unsupported(
      `--userns-remap needs idmapped mounts, which this kernel or the file system of ${folder} does not have (${messageOf(cause)})`,
      { cause },
    );
  } finally {
    await removeTree(probe);
  }
}
