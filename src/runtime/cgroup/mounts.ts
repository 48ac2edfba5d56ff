import type { SpecMount } from "../spec/index.ts";
import type { CgroupLayout } from "./layout.ts";

const ROOT = "/sys/fs/cgroup";

/**
 * The control groups as a container may see them. With a namespace of its own and version 2 alone: the file system
 * itself. Else its own folder of each hierarchy that has controllers, bound under the names that tools look for; an
 * empty version 2 beside them is left out, for tools take it as a sign that there is no version 1.
 */
export function cgroupMounts(
  {
    layout,
    cgroupPath,
    ownCgroupNamespace,
  }: { layout: CgroupLayout; cgroupPath: string; ownCgroupNamespace: boolean },
  flags: readonly string[],
): SpecMount[] {
  const bind = (destination: string, source: string, how: "bind" | "rbind"): SpecMount => ({
    destination,
    type: "bind",
    source: `${source}${cgroupPath}`,
    options: [how, "rprivate", ...flags],
  });
  const { unified } = layout;
  if (layout.legacy.size === 0) {
    if (unified === undefined) return [];
    return ownCgroupNamespace
      ? [{ destination: ROOT, type: "cgroup2", source: "cgroup", options: [...flags] }]
      : [bind(ROOT, unified, "rbind")];
  }
  const folders = new Map<string, string[]>();
  for (const [controller, folder] of layout.legacy)
    folders.set(folder, [...(folders.get(folder) ?? []), controller]);
  const binds = [...folders].map(([folder, controllers]) =>
    bind(`${ROOT}/${controllers.join(",").replace("name=", "")}`, folder, "bind"),
  );
  const top = ["nosuid", "noexec", "nodev", "mode=755"];
  return [{ destination: ROOT, type: "tmpfs", source: "tmpfs", options: top }, ...binds];
}
