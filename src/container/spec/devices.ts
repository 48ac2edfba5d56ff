import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { invalid } from "../../errors/index.ts";
import {
  DEFAULT_DEVICE_RULES,
  DEFAULT_DEVICES,
  type Device,
  type DeviceRule,
} from "../../runtime/spec/index.ts";
import type { HostConfig } from "../../wire/index.ts";
import { major, minor } from "./resources.ts";

/** Device nodes of a container and the rules for using them. */
export function devicesOf(host: HostConfig): { devices: Device[]; rules: DeviceRule[] } {
  if (host.Privileged)
    return { devices: [...DEFAULT_DEVICES, ...hostDevices()], rules: [{ allow: true, rule: "a *:* rwm" }] };
  const asked = (host.Devices ?? []).map((mapping) => {
    const permissions = mapping.CgroupPermissions || "rwm";
    if (!/^[rwm]{1,3}$/.test(permissions)) throw invalid(`invalid device permissions: ${permissions}`);
    const device = deviceAt(mapping.PathOnHost, mapping.PathInContainer || mapping.PathOnHost);
    if (device === undefined) {
      throw invalid(
        `error gathering device information while adding custom device "${mapping.PathOnHost}": no such file or directory`,
      );
    }
    return {
      device,
      rule: { allow: true, rule: `${device.type} ${device.major}:${device.minor} ${permissions}` },
    };
  });
  const custom = (host.DeviceCgroupRules ?? []).map((rule) => {
    if (!/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(rule))
      throw invalid(`invalid device cgroup rule format: '${rule}'`);
    return { allow: true, rule };
  });
  return {
    devices: [...DEFAULT_DEVICES, ...asked.map(({ device }) => device)],
    rules: [
      { allow: false, rule: "a *:* rwm" },
      ...DEFAULT_DEVICE_RULES,
      ...asked.map(({ rule }) => rule),
      ...custom,
    ],
  };
}

function deviceAt(path: string, inside: string): Device | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isBlockDevice() || stat.isCharacterDevice())) return undefined;
  return {
    path: inside,
    type: stat.isBlockDevice() ? "b" : "c",
    major: major(stat.rdev),
    minor: minor(stat.rdev),
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

/** Folders of /dev that a container mounts for itself, and names that it links. */
const OWN = new Set(["pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr", "ptmx", "console", "core"]);

/** Every device of the host, for a privileged container. */
function hostDevices(): Device[] {
  const found: Device[] = [];
  const folders = ["/dev"];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (folder === "/dev" && OWN.has(entry.name)) continue;
      if (entry.isDirectory()) folders.push(path);
      const device = entry.isBlockDevice() || entry.isCharacterDevice() ? deviceAt(path, path) : undefined;
      if (device !== undefined && !DEFAULT_DEVICES.some(({ path: known }) => known === path))
        found.push(device);
    }
  }
  return found;
}
