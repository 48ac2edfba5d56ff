import { join } from "node:path";
import { type CgroupLayout, hasGroups, oomWatch, type ScopeName } from "../cgroup/index.ts";
import { compileMount, idMapEntries, type StdioInput, stdioOperation } from "../compile/index.ts";
import type { LaunchPlan, Operation, Propagation } from "../plan/index.ts";
import type { Linux, Process, Spec, SpecMount } from "../spec/index.ts";
import type { BundleStore, RuntimeBundle } from "./bundle.ts";
import { globalOptions } from "./command.ts";
import { type ConfigInput, configText, type Identity, processText } from "./config.ts";
import type { Runtime } from "./runtimes.ts";

interface Common {
  readonly id: string;
  readonly runtime: Runtime;
  readonly store: BundleStore;
  readonly identity: Identity;
  readonly stdio: StdioInput;
}

export interface ForeignInput extends Common {
  readonly spec: Spec;
  readonly seccomp: ConfigInput["seccomp"];
  readonly hooks: ConfigInput["hooks"];
  /** Mounted into the container as the first program, when it is to have an init. */
  readonly init?: string;
  /** The union root's folders. */
  readonly root: Operation;
  /** Where the shim mounts it. */
  readonly rootFolder: string;
  readonly network: readonly Operation[];
  readonly layout: CgroupLayout;
  /** The unit that the runtime is to have systemd(1) make; undefined for a group that it makes itself. */
  readonly unit: ScopeName | undefined;
  readonly log?: { readonly file: string; readonly maxBytes: number; readonly maxFiles: number };
}

export interface ForeignLaunch {
  readonly plan: LaunchPlan;
  readonly bundle: RuntimeBundle;
}

/**
 * A launch by another runtime: its `create` runs in a mount namespace that has the root, and in the container's network
 * namespace with its links made. So nothing is mounted on the host, and both namespaces end with their last process.
 */
export function compileForeign(input: ForeignInput): ForeignLaunch {
  const { id, spec, store, runtime } = input;
  const { linux } = spec;
  const paths = store.paths(id);
  const { staged, filled, left } = sortMounts(spec.mounts, paths.staging);
  const [own, network] = splitSysctls(linux.sysctl);
  const hasNetwork = linux.namespaces.some(({ type, path }) => type === "network" && path === undefined);
  const user = linux.namespaces.find(({ type }) => type === "user");
  const isOwned = hasNetwork && user !== undefined;
  const userFile = isOwned ? join(paths.staging, "user") : user?.path;
  const { consoleSocket, pidFile } = paths;
  const terminal = spec.process.terminal ? ["--console-socket", consoleSocket] : [];
  return {
    plan: {
      start: "now",
      operations: [
        stdioOperation(spec.process, input.stdio),
        ...(input.log === undefined ? [] : [{ op: "log-file" as const, ...input.log }]),
        {
          op: "adopt",
          pidFile,
          consoleSocket: spec.process.terminal ? consoleSocket : "",
          when: "at-launch",
        },
        { op: "namespace-new", kind: "mount" },
        ...(hasNetwork && !isOwned ? [{ op: "namespace-new" as const, kind: "net" as const }] : []),
        ...oomWatch(input.layout, linux.cgroupsPath),
        ...input.network,
        ...(hasNetwork ? network.map(([key, value]): Operation => ({ op: "sysctl", key, value })) : []),
        { op: "mount-propagation", propagation: linux.rootfsPropagation as Propagation },
        ...(isOwned ? [ownedNetwork(linux, user.path, join(paths.staging, "user"))] : []),
        ...staged,
        input.root,
        ...filled,
        { op: "environment", entries: [PATH] },
        {
          op: "exec",
          args: [
            ...globalOptions(store, id, { runtime }),
            ...(input.unit === undefined ? [] : ["--systemd-cgroup"]),
            "create",
            "--bundle",
            paths.folder,
            "--pid-file",
            pidFile,
            ...terminal,
            id,
          ],
        },
      ],
    },
    bundle: {
      runtime,
      containerId: id,
      kind: "container",
      document: configText({
        spec: input.init === undefined ? spec : withInit(spec),
        identity: input.identity,
        seccomp: input.seccomp,
        hooks: input.hooks,
        root: input.rootFolder,
        mounts: input.init === undefined ? left : [...left, initMount(input.init)],
        userFile,
        hasGroups: hasGroups(input.layout),
        sysctl: Object.fromEntries(own),
        unit: input.unit,
      }),
    },
  };
}

/** The container's own user namespace, or the one that it joins. */
const ownedNetwork = (linux: Linux, joined: string | undefined, target: string): Operation => ({
  op: "owned-network",
  owner:
    joined === undefined
      ? { uids: idMapEntries(linux.uidMappings ?? []), gids: idMapEntries(linux.gidMappings ?? []) }
      : { path: joined },
  target,
});

/** As Docker names and calls it, for whoever looks at a container's processes. */
const INIT = "/sbin/docker-init";

const withInit = (spec: Spec): Spec => ({
  ...spec,
  process: { ...spec.process, args: [INIT, "--", ...spec.process.args] },
});

const initMount = (program: string): SpecMount => ({
  destination: INIT,
  type: "bind",
  source: program,
  options: ["bind", "rprivate", "ro", "nosuid", "nodev"],
});

export interface ForeignExecInput extends Common {
  readonly containerId: string;
  readonly process: Process;
}

/** One more process by the container's own runtime, whose `exec` makes and starts it in one. */
export function compileForeignExec(input: ForeignExecInput): ForeignLaunch {
  const { id, process, store, runtime, containerId } = input;
  const { consoleSocket, pidFile, process: file } = store.paths(id);
  const terminal = process.terminal ? ["--console-socket", consoleSocket] : [];
  return {
    plan: {
      start: "on-request",
      operations: [
        stdioOperation(process, input.stdio),
        { op: "adopt", pidFile, consoleSocket: process.terminal ? consoleSocket : "", when: "at-start" },
        { op: "environment", entries: [PATH] },
        {
          op: "exec",
          args: [
            ...globalOptions(store, id, { runtime }),
            "exec",
            "--detach",
            "--process",
            file,
            "--pid-file",
            pidFile,
            ...terminal,
            containerId,
          ],
        },
      ],
    },
    bundle: { runtime, containerId, kind: "exec", document: processText(process, input.identity) },
  };
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Settings of the network namespace are made where it is made: a runtime takes the namespace it is in for the host's. */
function splitSysctls(sysctl: Readonly<Record<string, string>>) {
  const entries = Object.entries(sysctl);
  const isNetwork = ([key]: [string, string]) => /^net[./]/.test(key);
  return [entries.filter((entry) => !isNetwork(entry)), entries.filter(isNetwork)] as const;
}

/** Mounts that the runtime makes itself, over which nothing of ours would be seen. */
const SYSTEM_FOLDERS = ["/proc", "/dev", "/sys"];
const isBelowSystem = ({ destination }: SpecMount): boolean =>
  SYSTEM_FOLDERS.some((folder) => destination === folder || destination.startsWith(`${folder}/`));

/**
 * What every runtime can mount is left to it. What it has no words for is made in its mount namespace before: either at a
 * place that it then binds, or, where the image's files are to be copied, in the root itself, which it takes as it is.
 */
function sortMounts(mounts: readonly SpecMount[], staging: string) {
  const staged: Operation[] = [];
  const filled: Operation[] = [];
  const left: SpecMount[] = [];
  for (const [index, mount] of mounts.entries()) {
    const copiesUp = mount.type === "bind" && mount.options.includes("copy-up");
    if (mount.destination.startsWith("/sys/fs/cgroup/")) continue;
    if (mount.destination === "/sys/fs/cgroup") left.push(cgroupMount(mount));
    else if (copiesUp && !isBelowSystem(mount)) filled.push(compileMount(mount));
    else if (needsStaging(mount)) {
      const place = `${staging}/${index}`;
      staged.push(compileMount({ ...mount, destination: place }));
      const access = mount.options.includes("ro") ? "ro" : "rw";
      left.push({ destination: mount.destination, type: "bind", source: place, options: ["rbind", access] });
    } else left.push({ ...mount, options: mount.options.filter((option) => option !== "copy-up") });
  }
  return { staged, filled, left };
}

const needsStaging = ({ namespace, subpath, uidMappings, type }: SpecMount): boolean =>
  namespace !== undefined || subpath !== undefined || uidMappings !== undefined || type === "overlay";

/** The container's groups exist only when the runtime has made them; it shows them by a type of its own. */
function cgroupMount({ destination, options }: SpecMount): SpecMount {
  const flags = options.filter(
    (option) => !option.includes("=") && !option.endsWith("bind") && option !== "rprivate",
  );
  return { destination, type: "cgroup", source: "cgroup", options: [...new Set([...flags, "ro"])] };
}
