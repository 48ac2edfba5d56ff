/** capabilities(7): names in the order of their numbers. */
const NAMES =
  `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
    .split(/\s+/)
    .map((name) => `CAP_${name}`);

const NUMBERS = new Map(NAMES.map((name, number) => [name, BigInt(number)]));

export const ALL_CAPABILITIES: readonly string[] = NAMES;

export const isCapability = (name: string): boolean => NUMBERS.has(name);

/** The bit mask of a set of names. */
export function capabilityMask(names: Iterable<string>): bigint {
  let mask = 0n;
  for (const name of names) mask |= 1n << (NUMBERS.get(name) ?? 63n);
  return mask & ((1n << BigInt(NAMES.length)) - 1n);
}

/** The names of a bit mask, in the order of their numbers. */
export const capabilityNames = (mask: bigint): string[] =>
  NAMES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n);
