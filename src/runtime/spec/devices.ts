import type { Linux } from "./types.ts";

export type Device = Linux["devices"][number];
/** In the words of the devices controller: "c 1:3 rwm". */
export type DeviceRule = { allow: boolean; rule: string };

const node = (path: string, major: number, minor: number): Device => ({
  path,
  type: "c",
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
});

/** The devices that every container has (OCI runtime-spec, config-linux.md, default devices). */
export const DEFAULT_DEVICES: readonly Device[] = [
  node("/dev/null", 1, 3),
  node("/dev/zero", 1, 5),
  node("/dev/full", 1, 7),
  node("/dev/tty", 5, 0),
  node("/dev/random", 1, 8),
  node("/dev/urandom", 1, 9),
];

/** What the devices controller lets through: making any node, and using the defaults, terminals and the tun device's absence. */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  "c *:* m",
  "b *:* m",
  "c 1:3 rwm",
  "c 1:5 rwm",
  "c 1:7 rwm",
  "c 5:0 rwm",
  "c 1:8 rwm",
  "c 1:9 rwm",
  "c 5:1 rwm",
  "c 136:* rwm",
  "c 5:2 rwm",
].map((rule) => ({ allow: true, rule }));
