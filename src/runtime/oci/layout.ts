import { invalid } from "../../errors/index.ts";

/** The group of a container whose configuration names none. */
const DEFAULT_PARENT = "/gantry-oci";

/** Path of a container's control group below every hierarchy's root. Throws invalid for one that leaves it. */
export function cgroupPathOf(cgroupsPath: string, id: string): string {
  if (cgroupsPath === "") return `${DEFAULT_PARENT}/${id}`;
  if (/^[^/]*:[^/]*:[^/]*$/.test(cgroupsPath)) {
    throw invalid(
      `cgroupsPath ${cgroupsPath} is meant for systemd (slice:prefix:name), but --systemd-cgroup was not given`,
    );
  }
  const names = cgroupsPath.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes(".."))
    throw invalid(`cgroupsPath ${cgroupsPath} does not name a group below the root`);
  return `/${names.join("/")}`;
}
