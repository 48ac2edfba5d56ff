import { invalid } from "../../errors/index.ts";
import type { ScopeName } from "../cgroup/index.ts";
import { isSlice } from "../systemd/index.ts";

/** The group of a container whose configuration names none. */
const DEFAULT_PARENT = "/gantry-oci";

/** Path of a container's control group below every hierarchy's root. Throws invalid for one that leaves it. */
export function cgroupPathOf(cgroupsPath: string, id: string): string {
  if (cgroupsPath === "") return `${DEFAULT_PARENT}/${id}`;
  if (parseSystemdPath(cgroupsPath) !== undefined)
    throw invalid(`cgroupsPath ${cgroupsPath} asks systemd for a unit, but --systemd-cgroup was not given`);
  const names = cgroupsPath.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes(".."))
    throw invalid(`cgroupsPath ${cgroupsPath} does not name a group below the root`);
  return `/${names.join("/")}`;
}

const DEFAULT_SLICE = "system.slice";
const DEFAULT_PREFIX = "gantry-oci";

/** The scope that systemd is to make for a container. Throws invalid for a path, and for a unit of another kind. */
export function scopeOf(cgroupsPath: string, id: string): ScopeName {
  if (cgroupsPath === "") return { slice: DEFAULT_SLICE, prefix: DEFAULT_PREFIX, name: id };
  const scope = parseSystemdPath(cgroupsPath);
  if (scope === undefined)
    throw invalid(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${cgroupsPath}" instead`,
    );
  return { ...scope, slice: scope.slice === "" ? DEFAULT_SLICE : scope.slice };
}

/** "SLICE:PREFIX:NAME", the form for systemd (runc, docs/systemd.md); undefined for a path. */
export function parseSystemdPath(cgroupsPath: string): ScopeName | undefined {
  const [, slice, prefix, name = ""] = /^([^/:]*):([^/:]*):([^/:]*)$/.exec(cgroupsPath) ?? [];
  if (slice === undefined || prefix === undefined) return undefined;
  if (slice !== "" && !isSlice(slice))
    throw invalid(`cgroupsPath ${cgroupsPath}: ${slice} is no name of a slice`);
  if (name === "") throw invalid(`cgroupsPath ${cgroupsPath}: the name behind the second colon is empty`);
  if (name.endsWith(".slice"))
    throw invalid(`cgroupsPath ${cgroupsPath}: ${name} is a slice, and processes are in scopes`);
  return { slice, prefix, name };
}
