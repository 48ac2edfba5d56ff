import { type CgroupLayout, prepareCgroupParent } from "../runtime/cgroup/index.ts";
import {
  type CompileInput,
  compileExec,
  compileLaunch,
  compileMount,
  keyringOf,
} from "../runtime/compile/index.ts";
import type { PlanUser } from "../runtime/index.ts";
import { countVerdicts, type SeccompCompiler } from "../runtime/seccomp/index.ts";
import type { SnapshotMount, Snapshotter } from "../snapshot/index.ts";
import { applyEdits, type CdiRegistry } from "./cdi/index.ts";
import type { ContainerFiles, JoinedNamespaces, LaunchPlanner } from "./launch-planner.ts";
import { parseLogConfig } from "./logs/index.ts";
import type { ContainerRecord } from "./record.ts";
import {
  buildExecProcess,
  buildSpec,
  capabilitiesOf,
  cgroupParentOf,
  cgroupPathOf,
  parseSecurityOptions,
  shiftedBy,
  viewMountsOf,
} from "./spec/index.ts";

export interface LaunchPlannerOptions {
  readonly snapshotter: Snapshotter;
  readonly layout: CgroupLayout;
  /** The group of containers without --cgroup-parent, such as "/gantry". */
  readonly cgroupParent: string;
  readonly seccomp: SeccompCompiler;
  /** The folder of prepareBaseLayer. */
  readonly baseLayer: string;
  readonly cdi: CdiRegistry;
  /** Folders that hold all layers, besides that of the base layer. */
  readonly layerFolders: readonly string[];
}

/** A tree whose changes become a layer: a renamed folder is copied, for a note of where it was means nothing elsewhere. */
const LAYER_OPTIONS = ["redirect_dir=off", "metacopy=off"];

const NO_FILES: ContainerFiles = { resolvConf: "", hosts: "", hostname: "", log: "" };

/** Brings a container's specification, its snapshot and the machine's facts together in a launch plan. */
export function createLaunchPlanner({
  snapshotter,
  layout,
  cgroupParent,
  seccomp,
  baseLayer,
  cdi,
  layerFolders,
}: LaunchPlannerOptions): LaunchPlanner {
  const specOf = (record: ContainerRecord, files: ContainerFiles, joined: JoinedNamespaces) =>
    buildSpec({
      record,
      files,
      joined,
      layout,
      cgroupParent,
      layersOf: (chainId) => snapshotter.view(chainId).lower,
    });

  function rootOf(id: string): SnapshotMount {
    const mount = snapshotter.mount(id);
    return { ...mount, lower: [...mount.lower, baseLayer] };
  }

  /** Layers are stored with the owners that images give; a user namespace sees them through an idmapped mount. */
  const shiftOf = ({ definition: { idMaps } }: ContainerRecord) =>
    idMaps === undefined ? {} : { shifted: { owners: idMaps, folders: [...layerFolders, baseLayer] } };

  async function filterOf(
    record: ContainerRecord,
    privileged: boolean,
  ): Promise<Pick<CompileInput, "seccomp">> {
    const host = {
      ...record.definition.hostConfig,
      Privileged: record.definition.hostConfig.Privileged || privileged,
    };
    const profile = parseSecurityOptions(host).seccomp;
    if (profile === undefined) return {};
    const program = await seccomp.compile(profile, new Set(capabilitiesOf(host)));
    return { seccomp: { program, flags: profile.flags } };
  }

  return {
    async plan({ record, networkOperations, joined, files, tree, isPreview = false, mounts = [] }) {
      const { config, hostConfig } = record.definition;
      const { enabled, ...rotation } = parseLogConfig(hostConfig.LogConfig);
      const parent = cgroupParentOf(hostConfig);
      if (parent !== undefined && !isPreview) prepareCgroupParent(layout, parent);
      const root = tree === undefined ? rootOf(record.id) : { ...tree, lower: [...tree.lower, baseLayer] };
      const edits = cdi.resolve(hostConfig.DeviceRequests ?? []);
      const groups = edits.flatMap(({ additionalGids }) => additionalGids.map(String));
      const spec = applyEdits(specOf(record, files, joined), edits);
      const plan = compileLaunch({
        keyring: keyringOf(record.id),
        spec: {
          ...spec,
          mounts: [
            ...spec.mounts,
            ...mounts.map((item) => ({ ...item, ...shiftedBy(record.definition.idMaps) })),
          ],
        },
        root: {
          op: "rootfs-overlay",
          ...root,
          options: tree === undefined || isPreview ? [] : LAYER_OPTIONS,
          ...shiftOf(record),
        },
        network: networkOperations,
        layout,
        stdio: { stdin: config.OpenStdin, stdinOnce: config.StdinOnce },
        ...(enabled ? { log: { file: files.log, ...rotation } } : {}),
        user: userOf(config.User, [...(hostConfig.GroupAdd ?? []), ...groups]),
        init: hostConfig.Init === true,
        ...(await filterOf(record, false)),
      });
      return { plan, warnings: [] };
    },
    rights(record) {
      const { hostConfig } = record.definition;
      const capabilities = capabilitiesOf(hostConfig);
      const { seccomp: profile, noNewPrivileges } = parseSecurityOptions(hostConfig);
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
      const mounts = viewMountsOf(record, files, (chainId) => snapshotter.view(chainId).lower);
      return {
        operations: [
          { op: "rootfs-overlay", ...rootOf(record.id), options: [], ...shiftOf(record) },
          ...(idMaps === undefined ? [] : [{ op: "id-map" as const, ...idMaps, allowSetgroups: true }]),
          ...mounts.map(compileMount),
          ...(ReadonlyRootfs ? [{ op: "root-readonly" as const }] : []),
        ],
        group: cgroupPathOf({ record, cgroupParent }),
      };
    },
    async planExec(record, pid, exec) {
      const { config, hostConfig } = record.definition;
      return compileExec({
        spec: specOf(record, NO_FILES, {}),
        keyring: keyringOf(record.id),
        process: buildExecProcess(record, exec),
        pid,
        layout,
        stdio: { stdin: exec.AttachStdin, stdinOnce: true },
        user: userOf(exec.User || config.User, hostConfig.GroupAdd ?? []),
        ...(await filterOf(record, exec.Privileged)),
      });
    },
  };
}

/** "NAME[:GROUP]" of --user; empty means root. */
function userOf(words: string, additionalGroups: readonly string[]): PlanUser {
  const colon = words.indexOf(":");
  const user = colon < 0 ? words : words.slice(0, colon);
  return { by: "name", user, group: colon < 0 ? "" : words.slice(colon + 1), additionalGroups };
}
