import { invalid } from "../../errors/index.ts";
import { ALL_CAPABILITIES, isCapability } from "../../runtime/capability/index.ts";
import type { HostConfig } from "../../wire/index.ts";

/** What root in a container may do when nothing else is said: Docker's fourteen. */
const DEFAULT_CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** The capabilities of a container after --privileged, --cap-add and --cap-drop. Throws invalid for unknown names. */
export function capabilitiesOf({ Privileged, CapAdd, CapDrop }: HostConfig): string[] {
  if (Privileged) return [...ALL_CAPABILITIES];
  const adds = normalise("CapAdd", CapAdd ?? []);
  const drops = normalise("CapDrop", CapDrop ?? []);
  if (adds.includes("ALL")) return ALL_CAPABILITIES.filter((name) => !drops.includes(name));
  const kept = drops.includes("ALL") ? [] : DEFAULT_CAPABILITIES.filter((name) => !drops.includes(name));
  return [...new Set([...kept, ...adds])];
}

function normalise(field: string, names: readonly string[]): string[] {
  return names.map((given) => {
    const upper = given.toUpperCase();
    if (upper === "ALL") return upper;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!isCapability(name)) throw invalid(`invalid ${field}: unknown capability: "${name}"`);
    return name;
  });
}
