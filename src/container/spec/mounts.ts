import { existsSync } from "node:fs";
import { type CgroupLayout, cgroupMounts } from "../../runtime/cgroup/index.ts";
import type { IdMaps } from "../../runtime/index.ts";
import type { SpecMount } from "../../runtime/spec/index.ts";
import type { HostConfig } from "../../wire/index.ts";
import type { ContainerFiles } from "../launch-planner.ts";
import type { ContainerRecord, ResolvedMount } from "../record.ts";
import { shiftedBy, type UserMountInput, userMount } from "./user-mount.ts";

export interface MountInput extends UserMountInput {
  readonly host: HostConfig;
  readonly mounts: readonly ResolvedMount[];
  readonly files: ContainerFiles;
  readonly layout: CgroupLayout;
  readonly cgroupPath: string;
  /** Whether the container sees its own cgroup as the root. */
  readonly ownCgroupNamespace: boolean;
  /** How many groups there are in the container. */
  readonly groupCount: number;
  /** Mount namespace of the container whose /dev/shm is shared. */
  readonly shm: string | undefined;
}

const mount = (destination: string, type: string, source: string, ...options: string[]): SpecMount => ({
  destination,
  type,
  source,
  options,
});

/** The group "tty" of every Linux distribution. */
const TTY_GROUP = 5;
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** All mounts in order: the system's own, then the container's three files, then the user's; a user's mount replaces a system one. */
export function mountsOf(input: MountInput): SpecMount[] {
  const { host, mounts, files } = input;
  const taken = new Set(mounts.map(({ Destination }) => Destination));
  const access = host.Privileged ? "rw" : "ro";
  const system = [
    mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
    mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount(
      "/dev/pts",
      "devpts",
      "devpts",
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      "mode=0620",
      ...(input.groupCount > TTY_GROUP ? [`gid=${TTY_GROUP}`] : []),
    ),
    mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access),
    ...cgroupMounts(input, ["nosuid", "noexec", "nodev", access]),
    ...queueMount(host, input.idMaps),
    ...shmMount(host, input.shm),
  ];
  const kept = (list: SpecMount[]) => list.filter(({ destination }) => !taken.has(destination));
  return [
    ...kept(system),
    ...kept(generatedMounts(files, host.ReadonlyRootfs, input.shift)),
    ...mounts.map((item) => userMount(item, input)),
  ];
}

const generatedMounts = (files: ContainerFiles, readonly: boolean, shift: IdMaps | undefined): SpecMount[] =>
  (
    [
      ["/etc/resolv.conf", files.resolvConf],
      ["/etc/hostname", files.hostname],
      ["/etc/hosts", files.hosts],
    ] as const
  ).map(([target, file]) => ({
    ...mount(target, "bind", file, "rbind", "rprivate", readonly ? "ro" : "rw"),
    ...shiftedBy(shift),
  }));

/**
 * The mounts that belong to a container's files when these are copied: the user's and the generated files, the latter
 * once they are made. None of them passes on what is mounted over it.
 */
export function viewMountsOf(
  { definition }: ContainerRecord,
  files: ContainerFiles,
  { layersOf, shift }: Pick<UserMountInput, "layersOf" | "shift">,
): SpecMount[] {
  const { mounts, config, hostConfig, idMaps } = definition;
  const taken = new Set(mounts.map(({ Destination }) => Destination));
  const generated = generatedMounts(files, hostConfig.ReadonlyRootfs, shift).filter(
    ({ destination, source }) => !taken.has(destination) && existsSync(source),
  );
  const own = mounts.map((item) =>
    userMount({ ...item, Propagation: "rprivate" }, { user: config.User, layersOf, idMaps, shift }),
  );
  return [...generated, ...own];
}

/**
 * It shows the queues of the process's IPC namespace, the host's with --ipc=host. In a user namespace nobody may mount
 * those anew.
 */
function queueMount(host: HostConfig, idMaps: IdMaps | undefined): SpecMount[] {
  if (idMaps !== undefined && host.IpcMode === "host") {
    const place = "/dev/mqueue";
    return existsSync(place)
      ? [mount(place, "bind", place, "rbind", "rprivate", "nosuid", "noexec", "nodev")]
      : [];
  }
  return [mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev")];
}

function shmMount(host: HostConfig, shm: string | undefined): SpecMount[] {
  if (shm !== undefined)
    return [{ destination: "/dev/shm", type: "bind", source: "/dev/shm", options: [], namespace: shm }];
  if (host.IpcMode === "none") return [];
  if (host.IpcMode === "host") return [mount("/dev/shm", "bind", "/dev/shm", "rbind", "rprivate")];
  const size = host.ShmSize > 0 ? host.ShmSize : DEFAULT_SHM_BYTES;
  return [mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", `size=${size}`)];
}
