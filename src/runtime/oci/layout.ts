import { invalid } from "../../errors/index.ts";

/** The group of a container whose configuration names none. */
const DEFAULT_PARENT = "/gantry-oci";

/** Path of a container's control group below every hierarchy's root. Throws invalid for one that leaves it. */
export function cgroupPathOf(cgroupsPath: string, id: string): string {
  if (cgroupsPath === "") return `${DEFAULT_PARENT}/${id}`;
  const unit = parseSystemdPath(cgroupsPath);
  if (unit !== undefined) {
    const { slice, scope } = unit;
    throw invalid(
      `cgroupsPath ${cgroupsPath} asks systemd for the unit ${scope}${slice === "" ? "" : ` in ${slice}`}, but --systemd-cgroup was not given`,
    );
  }
  const names = cgroupsPath.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes(".."))
    throw invalid(`cgroupsPath ${cgroupsPath} does not name a group below the root`);
  return `/${names.join("/")}`;
}

/** "SLICE:PREFIX:NAME", the form for systemd (runc, docs/systemd.md); undefined for a path. */
export function parseSystemdPath(cgroupsPath: string): { slice: string; scope: string } | undefined {
  const [, slice, prefix, name = ""] = /^([^/:]*):([^/:]*):([^/:]*)$/.exec(cgroupsPath) ?? [];
  if (slice === undefined || prefix === undefined) return undefined;
  if (slice !== "" && !/^(-|[\w.@\\]+(-[\w.@\\]+)*)\.slice$/.test(slice))
    throw invalid(`cgroupsPath ${cgroupsPath}: ${slice} is no name of a slice`);
  if (name === "") throw invalid(`cgroupsPath ${cgroupsPath}: the name behind the second colon is empty`);
  const scope = name.endsWith(".slice") ? name : `${prefix === "" ? name : `${prefix}-${name}`}.scope`;
  return { slice, scope };
}
