import type { NetworkPath } from "../../network/index.ts";
import { type DecodedPlan, decodePlan, encodePlan } from "../../runtime/index.ts";
import type { Spec } from "../../runtime/spec/index.ts";
import type { SnapshotMount } from "../../snapshot/index.ts";
import type { ContainerVolumes, Volume, VolumeRequest } from "../../volume/index.ts";
import type { ContainerContext } from "../dependencies.ts";
import { mountRequestsOf } from "../draft.ts";
import { linkEnvironment } from "../links.ts";
import { resolveMounts } from "../mounts/index.ts";
import { attachRequest, networkModeOf, sandboxRequest } from "../network-mode.ts";
import type { ContainerRecord } from "../record.ts";
import { filesOf, joinedNamespaces } from "../start.ts";

export interface LaunchPreview {
  readonly plan: DecodedPlan;
  readonly spec: Spec;
  readonly paths: readonly NetworkPath[];
}

/** The plan that a start would make now. Throws what a start would. Nothing is made, nothing kept. */
export async function previewLaunch(
  context: ContainerContext,
  record: ContainerRecord,
  tree?: SnapshotMount,
): Promise<LaunchPreview> {
  const mode = networkModeOf(record.definition.hostConfig);
  const own = filesOf(context, record.id);
  const owner = mode.kind === "container" ? context.table.find(mode.reference) : record;
  const files = { ...filesOf(context, owner.id), log: own.log };
  const joined = joinedNamespaces(context, record);
  const { operations, paths } =
    mode.kind === "container"
      ? { operations: [], paths: context.network.explain(owner.id) }
      : context.network.preview(attachRequest(record, mode.main), sandboxRequest(record, files));
  const { plan, spec } = await context.planner.plan({
    record,
    joined,
    linked: linkEnvironment(context, record, { required: true }),
    networkOperations: operations,
    files,
    isPreview: true,
    ...(tree === undefined ? {} : { tree }),
  });
  return { plan: decodePlan(encodePlan(plan)), spec, paths };
}

/** The same of a container that is not made: its writable layer and its new volumes have no places yet. */
export async function previewRequest(
  context: ContainerContext,
  draft: ContainerRecord,
): Promise<LaunchPreview & { record: ContainerRecord }> {
  const { chainId } = draft.definition;
  const sources = {
    images: context.images,
    volumes: imaginedVolumes(context.volumes),
    makeFolder: async () => ({ uid: 0, gid: 0 }),
  };
  const mounts = await resolveMounts(mountRequestsOf(context, draft), sources, []);
  const record = { ...draft, definition: { ...draft.definition, mounts } };
  const lower = chainId === undefined ? [] : context.snapshotter.view(chainId).lower;
  const tree = { lower, upper: "(made by create)/fs", work: "(made by create)/work" };
  return { ...(await previewLaunch(context, record, tree)), record };
}

/** Volumes that are there are as they are; others would be made. */
const imaginedVolumes = (volumes: ContainerVolumes): Pick<ContainerVolumes, "ensure"> => ({
  async ensure({ name, driver, labels, options }: VolumeRequest): Promise<Volume> {
    const known = name === "" ? undefined : volumes.find(name);
    return (
      known ?? {
        name,
        driver: driver === "" ? "local" : driver,
        mountpoint: `(made by create)/${name === "" ? "anonymous" : name}`,
        createdAt: "",
        labels,
        options,
        anonymous: name === "",
      }
    );
  },
});
