import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors/index.ts";
import { removeTree } from "../platform/index.ts";
import { createFileCopier } from "../runtime/files/index.ts";
import type { IdMaps } from "../runtime/index.ts";

/**
 * Put a root of two folders below `folder` together as that of a container with these ids. Resolves with what is in the
 * way when the kernel (before Linux 5.19) or the folder's file system has no idmapped mounts that overlayfs takes as layers.
 */
export async function idmappedLayersFault(
  shim: string,
  folder: string,
  idMaps: IdMaps,
  signal: AbortSignal,
): Promise<string | undefined> {
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
    return undefined;
  } catch (cause) {
    return messageOf(cause);
  } finally {
    await removeTree(probe);
  }
}
