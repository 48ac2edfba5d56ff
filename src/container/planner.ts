import { dirname } from "node:path";
import { type CgroupLayout, type CgroupPlacement, hasGroups } from "../runtime/cgroup/index.ts";
import {
  type CompileInput,
  compileExec,
  compileLaunch,
  compileMount,
  keyringOf,
} from "../runtime/compile/index.ts";
import { findIdentity } from "../runtime/files/index.ts";
import {
  type BundleStore,
  compileForeign,
  compileForeignExec,
  type Identity,
  OWN_RUNTIME,
  type Runtime,
  type Runtimes,
} from "../runtime/foreign/index.ts";
import type { PlanUser } from "../runtime/index.ts";
import { countVerdicts, type SeccompCompiler } from "../runtime/seccomp/index.ts";
import type { StoredOwners } from "../runtime/user-namespace/index.ts";
import type { SnapshotMount, Snapshotter } from "../snapshot/index.ts";
import { applyEdits, type CdiRegistry, hooksByName, planDeviceHooks } from "./cdi/index.ts";
import type { ContainerFiles, JoinedNamespaces, LaunchPlanner, LaunchRequest } from "./launch-planner.ts";
import { parseLogConfig } from "./logs/index.ts";
import type { ContainerRecord } from "./record.ts";
import {
  buildExecProcess,
  buildSpec,
  capabilitiesOf,
  cgroupPathOf,
  parseSecurityOptions,
  seccompOf,
  shiftedBy,
  viewMountsOf,
} from "./spec/index.ts";

export interface LaunchPlannerOptions {
  readonly snapshotter: Snapshotter;
  readonly layout: CgroupLayout;
  readonly placement: CgroupPlacement;
  readonly seccomp: SeccompCompiler;
  /** The folder of prepareBaseLayer. */
  readonly baseLayer: string;
  readonly cdi: CdiRegistry;
  /** Folders that hold all layers, besides that of the base layer. */
  readonly layerFolders: readonly string[];
  readonly runtimes: Runtimes;
  readonly bundles: BundleStore;
  /** Where a task's root is mounted. */
  readonly taskFolder: (id: string) => string;
  /** The native helper. */
  readonly shim: string;
  /** Whose owners are on the disk; undefined when they are those of images. */
  readonly storedOwners: StoredOwners | undefined;
  /** How many groups there are for a container without a user namespace of its own. */
  readonly groups: number;
}

/** A tree whose changes become a layer: a renamed folder is copied, for a note of where it was means nothing elsewhere. */
const LAYER_OPTIONS = ["redirect_dir=off", "metacopy=off"];

const NO_FILES: ContainerFiles = { resolvConf: "", hosts: "", hostname: "", log: "" };

/** Brings a container's specification, its snapshot and the machine's facts together in a launch plan. */
export function createLaunchPlanner({
  snapshotter,
  layout,
  placement,
  seccomp,
  baseLayer,
  cdi,
  layerFolders,
  runtimes,
  bundles,
  taskFolder,
  shim,
  groups: groupCount,
  storedOwners,
}: LaunchPlannerOptions): LaunchPlanner {
  const specOf = (
    record: ContainerRecord,
    files: ContainerFiles,
    joined: JoinedNamespaces,
    linked: readonly string[],
  ) =>
    buildSpec({
      record,
      linked,
      files,
      joined,
      layout,
      placement,
      groupCount,
      layersOf,
      shift: mapsToShift(record),
    });

  const layersOf = (chainId: string) => snapshotter.view(chainId).lower;

  function rootOf(id: string): SnapshotMount {
    const mount = snapshotter.mount(id);
    return { ...mount, lower: [...mount.lower, baseLayer] };
  }

  /** Layers are stored with the owners that images give; a user namespace sees them through an idmapped mount. */
  const mapsToShift = ({ definition: { idMaps } }: ContainerRecord) =>
    storedOwners === undefined ? idMaps : undefined;

  const shiftOf = (record: ContainerRecord) => {
    const owners = mapsToShift(record);
    return owners === undefined ? {} : { shifted: { owners, folders: [...layerFolders, baseLayer] } };
  };

  /** Where owners are not shifted, what the engine made for the container has to be the container's before it is mounted. */
  function handOver({ record: { definition }, files, mounts = [] }: LaunchRequest): void {
    if (definition.idMaps === undefined) return;
    const binds = mounts.filter(({ type }) => type === "bind").map(({ source }) => source);
    for (const path of [files.resolvConf, files.hosts, files.hostname, ...binds])
      storedOwners?.handOver(path);
  }

  /** Without control groups nothing but a process itself says whose it is. */
  const groupOf = (record: ContainerRecord): string =>
    hasGroups(layout) ? cgroupPathOf({ record, placement }) : "";

  const runtimeOf = ({ definition }: ContainerRecord): Runtime | undefined =>
    runtimes.find(definition.hostConfig.Runtime || OWN_RUNTIME);

  /** Other runtimes take numbers: the names are looked up in the root, or in that of the process that has it. */
  async function identityOf(
    user: PlanUser,
    root: SnapshotMount,
    process?: { pid: number; group: string },
  ): Promise<Identity> {
    if (user.by === "number") return user;
    const operations = [{ op: "rootfs-overlay" as const, ...root, options: [] }];
    const words = { user: user.user, group: user.group, additionalGroups: user.additionalGroups };
    return findIdentity(shim, { operations, ...(process === undefined ? {} : { process }) }, words);
  }

  async function filterOf(
    record: ContainerRecord,
    privileged: boolean,
  ): Promise<Pick<CompileInput, "seccomp">> {
    const host = {
      ...record.definition.hostConfig,
      Privileged: record.definition.hostConfig.Privileged || privileged,
    };
    const profile = seccompOf(record.definition, host);
    if (profile === undefined) return {};
    const program = await seccomp.compile(profile, new Set(capabilitiesOf(host)));
    return { seccomp: { program, flags: profile.flags } };
  }

  return {
    async plan(request) {
      const {
        record,
        networkOperations,
        joined,
        linked,
        files,
        tree,
        isPreview = false,
        mounts = [],
      } = request;
      if (!isPreview) handOver(request);
      const { config, hostConfig } = record.definition;
      const { enabled, ...rotation } = parseLogConfig(hostConfig.LogConfig);
      if (!isPreview) placement.prepare(hostConfig.CgroupParent);
      const unit = placement.scopeOf(record.id, hostConfig.CgroupParent);
      const root = tree === undefined ? rootOf(record.id) : { ...tree, lower: [...tree.lower, baseLayer] };
      const edits = cdi.resolve(hostConfig.DeviceRequests ?? []);
      const groups = edits.flatMap(({ additionalGids }) => additionalGids.map(String));
      const hooks = edits.flatMap((edit) => edit.hooks);
      const own = applyEdits(specOf(record, files, joined, linked), edits);
      const shifted = mounts.map((item) => ({ ...item, ...shiftedBy(mapsToShift(record)) }));
      const spec = { ...own, mounts: [...own.mounts, ...shifted] };
      const user = userOf(config.User, [...(hostConfig.GroupAdd ?? []), ...groups]);
      const common = {
        spec,
        root: {
          op: "rootfs-overlay" as const,
          ...root,
          options: tree === undefined || isPreview ? [] : LAYER_OPTIONS,
          ...shiftOf(record),
        },
        network: networkOperations,
        layout,
        stdio: { stdin: config.OpenStdin, stdinOnce: config.StdinOnce },
        ...(enabled ? { log: { file: files.log, ...rotation } } : {}),
      };
      const runtime = runtimeOf(record);
      if (runtime !== undefined) {
        const profile = seccompOf(record.definition, hostConfig);
        const capabilities = new Set(capabilitiesOf(hostConfig));
        const launch = compileForeign({
          ...common,
          id: record.id,
          runtime,
          store: bundles,
          rootFolder: taskFolder(record.id),
          // What is only looked at has no writable layer yet.
          identity: await identityOf(user, isPreview ? { lower: root.lower } : root),
          seccomp: profile === undefined ? undefined : { profile, capabilities },
          hooks: hooksByName(hooks),
          ...(hostConfig.Init === true ? { init: shim } : {}),
          unit,
        });
        return { plan: launch.plan, how: { bundle: launch.bundle }, spec, warnings: [] };
      }
      const planned =
        hooks.length === 0
          ? undefined
          : planDeviceHooks({
              id: record.id,
              hooks,
              spec,
              bundle: dirname(files.hostname),
              root: taskFolder(record.id),
            });
      const plan = compileLaunch({
        ...common,
        ...(planned === undefined ? {} : { hooks: planned }),
        keyring: keyringOf(record.id),
        user,
        init: hostConfig.Init === true,
        ...(await filterOf(record, false)),
      });
      const how = {
        ...(planned === undefined ? {} : { onHooks: (pid: number) => planned.run(pid) }),
        ...(unit === undefined ? {} : { scope: { name: unit, resources: spec.linux.resources } }),
      };
      return { plan, how, spec, warnings: [] };
    },
    rights(record) {
      const { hostConfig } = record.definition;
      const capabilities = capabilitiesOf(hostConfig);
      const { noNewPrivileges } = parseSecurityOptions(hostConfig);
      const profile = seccompOf(record.definition, hostConfig);
      return {
        capabilities,
        noNewPrivileges,
        seccomp: profile === undefined ? undefined : countVerdicts(profile, new Set(capabilities)),
      };
    },
    baseLayer,
    root: rootOf,
    view(record, files) {
      const { hostConfig, idMaps } = record.definition;
      const { ReadonlyRootfs } = hostConfig;
      const mounts = viewMountsOf(record, files, { layersOf, shift: mapsToShift(record) });
      return {
        operations: [
          { op: "rootfs-overlay", ...rootOf(record.id), options: [], ...shiftOf(record) },
          ...(idMaps === undefined ? [] : [{ op: "id-map" as const, ...idMaps, allowSetgroups: true }]),
          ...mounts.map(compileMount),
          ...(ReadonlyRootfs ? [{ op: "root-readonly" as const }] : []),
        ],
        group: groupOf(record),
      };
    },
    async planExec(record, pid, id, exec, linked) {
      const { config, hostConfig } = record.definition;
      const process = buildExecProcess(record, exec, linked);
      const stdio = { stdin: exec.AttachStdin, stdinOnce: true };
      const user = userOf(exec.User || config.User, hostConfig.GroupAdd ?? []);
      const runtime = runtimeOf(record);
      if (runtime !== undefined) {
        const identity = await identityOf(user, rootOf(record.id), { pid, group: groupOf(record) });
        const launch = compileForeignExec({
          id,
          containerId: record.id,
          process,
          runtime,
          store: bundles,
          identity,
          stdio,
        });
        return { plan: launch.plan, how: { bundle: launch.bundle } };
      }
      const plan = compileExec({
        spec: specOf(record, NO_FILES, {}, linked),
        keyring: keyringOf(record.id),
        process,
        pid,
        layout,
        stdio,
        user,
        ...(await filterOf(record, exec.Privileged)),
      });
      return { plan, how: {} };
    },
  };
}

/** "NAME[:GROUP]" of --user; empty means root. */
function userOf(words: string, additionalGroups: readonly string[]): PlanUser {
  const colon = words.indexOf(":");
  const user = colon < 0 ? words : words.slice(0, colon);
  return { by: "name", user, group: colon < 0 ? "" : words.slice(colon + 1), additionalGroups };
}
