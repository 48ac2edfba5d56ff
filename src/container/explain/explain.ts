import { basename } from "node:path";
import { conflict, errnoOf } from "../../errors/index.ts";
import type { NetworkPath } from "../../network/index.ts";
import type { CgroupStatistics } from "../../runtime/cgroup/index.ts";
import type { DecodedPlan } from "../../runtime/index.ts";
import type { Spec } from "../../runtime/spec/index.ts";
import type {
  ContainerExplanation,
  ExplainedCgroup,
  ExplainedNetwork,
  ExplainedRoot,
} from "../../wire/index.ts";
import type { ContainerContext } from "../dependencies.ts";
import { draftContainer } from "../draft.ts";
import { networkModeOf } from "../network-mode.ts";
import type { ContainerRecord } from "../record.ts";
import type { CreateRequest } from "../service.ts";
import { isRunning, type LivingState } from "../state.ts";
import { namespacesOf, plannedNamespaces } from "./namespaces.ts";
import { explainPlan, plannedMounts } from "./plan.ts";
import { type LaunchPreview, previewLaunch, previewRequest } from "./preview.ts";
import { droppedOf, mountsSeenBy, rightsOf } from "./process.ts";

/**
 * What makes a container. Of one that runs it is read from the kernel and from the plan that its shim was given; of
 * one that does not, what a start would make of it now. Throws not-found, and what a start would.
 */
export async function explainContainer(
  context: ContainerContext,
  reference: string,
): Promise<ContainerExplanation> {
  const record = context.table.find(reference);
  const { state } = record;
  if (!isRunning(state)) {
    const preview = await previewLaunch(context, record);
    const root = await rootOf(context, record, { isMade: true });
    return { ...plannedParts(context, record, preview), Root: root, Status: state.status };
  }
  try {
    return await explainRunning(context, record, state);
  } catch (cause) {
    // The kernel's files of a process go with it.
    if (errnoOf(cause) !== "ENOENT" && errnoOf(cause) !== "ESRCH") throw cause;
    throw conflict(`container ${record.id} has just ended`, { cause });
  }
}

async function explainRunning(
  context: ContainerContext,
  record: ContainerRecord,
  state: LivingState,
): Promise<ContainerExplanation> {
  // One that an older engine launched has left none.
  const plan = context.launcher.planOf(record.id) ?? { start: "on-request", leave: false, operations: [] };
  const others = context.table
    .list()
    .flatMap((other) =>
      isRunning(other.state) && other.id !== record.id ? [{ name: other.name, pid: other.state.pid }] : [],
    );
  const mounts = mountsSeenBy(state.pid);
  const rights = rightsOf(state.pid);
  const described = context.planner.rights(record);
  return {
    ...headOf(record),
    Status: state.status,
    Pid: state.pid,
    Namespaces: namespacesOf(state.pid, others),
    Cgroup: cgroupOf(context, record),
    Root: {
      ...(await rootOf(context, record, { isMade: true })),
      MountOptions: mounts.find(({ Target }) => Target === "/")?.Options ?? "",
    },
    Mounts: mounts,
    Rights: {
      User: rights.user,
      Capabilities: { Kept: rights.kept, Dropped: droppedOf(rights.kept) },
      NoNewPrivileges: rights.noNewPrivileges,
      Seccomp: rights.isFiltered ? seccompOf(described.seccomp, plan) : null,
    },
    Networks: networksOf(context.network.explain(networkOwner(context, record).id)),
    Plan: explainPlan(plan),
  };
}

/** What would make a container, if it were asked for. Nothing is made. Throws what create and start would. */
export async function explainRequest(
  context: ContainerContext,
  request: CreateRequest,
): Promise<ContainerExplanation> {
  const { record } = await draftContainer(context, request);
  const planned = await previewRequest(context, record);
  return {
    ...plannedParts(context, planned.record, planned),
    Root: await rootOf(context, planned.record, { isMade: false }),
    Id: "",
    Status: "planned",
  };
}

const headOf = ({ id, name, definition }: ContainerRecord) => ({
  Id: id,
  Name: name,
  Image: definition.config.Image,
  Command: [...(definition.config.Entrypoint ?? []), ...(definition.config.Cmd ?? [])],
  Runtime: definition.hostConfig.Runtime,
});

function plannedParts(
  context: ContainerContext,
  record: ContainerRecord,
  { plan, spec, paths }: LaunchPreview,
): Omit<ContainerExplanation, "Root" | "Status"> {
  const { hostConfig, config } = record.definition;
  const { capabilities, noNewPrivileges, seccomp } = context.planner.rights(record);
  const donorOf = (mode: string) => (mode.startsWith("container:") ? mode.slice("container:".length) : "");
  return {
    ...headOf(record),
    Pid: 0,
    Namespaces: plannedNamespaces(spec, {
      net: donorOf(hostConfig.NetworkMode),
      pid: donorOf(hostConfig.PidMode),
      ipc: donorOf(hostConfig.IpcMode),
    }),
    Cgroup: plannedCgroup(context, record, spec),
    Mounts: plannedMounts(spec),
    Rights: {
      User: config.User === "" ? "0:0" : config.User,
      Capabilities: { Kept: [...capabilities], Dropped: droppedOf(capabilities) },
      NoNewPrivileges: noNewPrivileges,
      Seccomp: seccompOf(seccomp, plan),
    },
    Networks: networksOf(paths),
    Plan: explainPlan(plan),
  };
}

function cgroupOf(context: ContainerContext, record: ContainerRecord): ExplainedCgroup {
  const group = context.groups.of(record);
  return {
    ...placeOf(context, record),
    Limits: group.limits().map(({ name, file, limit, use, unit }) => ({
      Name: name,
      File: file,
      Limit: limit ?? null,
      Use: use ?? null,
      Unit: unit,
    })),
    Pressure: pressureOf(group.statistics()),
  };
}

const pressureOf = ({ pressure }: CgroupStatistics): ExplainedCgroup["Pressure"] =>
  pressure === undefined
    ? null
    : {
        cpu: pressure.cpu.some.avg10,
        memory: pressure.memory.some.avg10,
        io: pressure.io.some.avg10,
      };

function placeOf(
  context: ContainerContext,
  record: ContainerRecord,
): Omit<ExplainedCgroup, "Limits" | "Pressure"> {
  const group = context.groups.of(record);
  return {
    Path: group.path,
    Folders: group.folders().map(({ folder, version, controllers }) => ({
      Folder: folder,
      Version: version,
      Controllers: [...controllers],
    })),
  };
}

/** Of a group that is not there yet: what would be written into its files. */
function plannedCgroup(context: ContainerContext, record: ContainerRecord, { linux }: Spec): ExplainedCgroup {
  return {
    ...placeOf(context, record),
    Limits: context.groups.planned(record, linux.resources).map(({ path, data }) => ({
      Name: basename(path),
      File: path,
      Limit: data,
      Use: null,
      Unit: "",
    })),
    Pressure: null,
  };
}

/** Layers lowest first, with the instructions that made them, and the container's own on top. */
async function rootOf(
  context: ContainerContext,
  { id, definition }: ContainerRecord,
  { isMade }: { isMade: boolean },
): Promise<ExplainedRoot> {
  const { chainId, imageId } = definition;
  const stack = chainId === undefined ? [] : context.snapshotter.layers(chainId).toReversed();
  const steps = (context.images.layersOf(imageId)?.document.history ?? []).filter(
    ({ emptyLayer }) => !emptyLayer,
  );
  const layers = stack.map(({ folder, sizeBytes }, at) => ({
    Folder: folder,
    Size: sizeBytes,
    CreatedBy: steps[at]?.createdBy ?? "",
    Writable: false,
  }));
  const own = isMade
    ? { Folder: context.snapshotter.mount(id).upper ?? "", Size: await context.snapshotter.usage(id) }
    : { Folder: "", Size: 0 };
  const base = {
    Folder: context.planner.baseLayer,
    Size: 0,
    CreatedBy: "the engine, for every container: where its mounts go",
    Writable: false,
  };
  const use = isMade ? await context.snapshotter.limit(id) : undefined;
  const limitBytes = use?.limitBytes ?? definition.layerLimitBytes;
  return {
    Layers: [base, ...layers, { ...own, CreatedBy: "", Writable: true }],
    Limit: limitBytes === undefined ? null : { Bytes: limitBytes, Used: use?.usedBytes ?? 0 },
    MountOptions: "",
  };
}

function seccompOf(
  verdicts: ReturnType<ContainerContext["planner"]["rights"]>["seccomp"],
  { operations }: DecodedPlan,
): ContainerExplanation["Rights"]["Seccomp"] {
  if (verdicts === undefined) return null;
  const filter = operations.find(({ op }) => op === "seccomp");
  const BYTES_PER_INSTRUCTION = 8;
  return {
    Default: verdicts.default,
    Instructions: filter?.op === "seccomp" ? filter.fields.program.length / BYTES_PER_INSTRUCTION : 0,
    Verdicts: verdicts.counts.map(({ action, calls, conditional }) => ({
      Action: action,
      Calls: calls,
      Conditional: conditional,
    })),
  };
}

const networksOf = (paths: readonly NetworkPath[]): ExplainedNetwork[] =>
  paths.map(({ network, driver, hops }) => ({
    Name: network,
    Driver: driver,
    Path: hops.map(({ where, what, name, detail }) => ({
      Where: where,
      What: what,
      Name: name,
      Detail: detail,
    })),
  }));

/** The container whose network it is. */
function networkOwner(context: ContainerContext, record: ContainerRecord): ContainerRecord {
  const mode = networkModeOf(record.definition.hostConfig);
  return mode.kind === "container" ? context.table.find(mode.reference) : record;
}
