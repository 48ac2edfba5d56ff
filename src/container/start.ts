import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { conflict, internal, invalid, messageOf, notFound, notModified } from "../errors/index.ts";
import { wallClockNs } from "../platform/index.ts";
import { areSameMaps } from "../runtime/compile/index.ts";
import { type ExitStatus, type IdMaps, LaunchError, type Task } from "../runtime/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { handleEnd } from "./end.ts";
import { stopHealth, watchHealth } from "./health/index.ts";
import type { ContainerFiles, JoinedNamespaces, LaunchRequest } from "./launch-planner.ts";
import { linkEnvironment } from "./links.ts";
import { networkModeOf, sandboxRequest } from "./network-mode.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord } from "./record.ts";
import { removeStopped } from "./removal.ts";
import { restartDelayMs } from "./restart-policy.ts";
import { failed, isRunning, running } from "./state.ts";
import { acquireVolumes, releaseVolumes } from "./volume-use.ts";

/** Exit code of a container whose start failed for a reason of the engine's own. */
const START_FAILED = 128;

/**
 * Start a container that does not run. Throws not-modified when it does; on failure everything done is taken back.
 * A start that is not by policy begins the count of restarts anew.
 */
export async function startContainer(
  context: ContainerContext,
  id: string,
  { byPolicy = false } = {},
): Promise<void> {
  using _lock = await context.locks.acquire(id);
  const record = context.table.get(id);
  if (record === undefined) throw notFound(`No such container: ${id}`);
  if (record.state.status === "paused")
    throw conflict("cannot start a paused container, try unpause instead");
  if (isRunning(record.state)) throw notModified(`container ${id} is already running`);
  if (record.state.status === "removing")
    throw conflict("container is marked for removal and cannot be started");
  const live = context.live.of(id);
  clearTimeout(live.restartTimer);
  try {
    const task = await launch(context, record, byPolicy ? record.restartCount : 0);
    live.stoppedByUser = false;
    notify(context, record, "start");
    superviseTask(context, id, task, { found: false });
  } catch (error) {
    const exitCode = error instanceof LaunchError ? error.exitCode : START_FAILED;
    const stopped = context.table.setState(id, failed(record.state, { exitCode, message: messageOf(error) }));
    for (const attachment of live.attachments) attachment.abandon();
    live.attachments.clear();
    if (record.definition.hostConfig.AutoRemove) await removeStopped(context, stopped, { volumes: true });
    throw error;
  }
}

/** Take a running task into the daemon's care: what happens at its end, and after it. `found`: begun by an earlier daemon. */
export function superviseTask(
  context: ContainerContext,
  id: string,
  task: Task,
  { found }: { found: boolean },
): void {
  const live = context.live.of(id);
  live.task = task;
  live.isOutOfMemoryTold = false;
  task.onOutOfMemory(() => {
    live.isOutOfMemoryTold = true;
    const record = context.table.get(id);
    if (record !== undefined) notify(context, record, "oom");
  });
  watchHealth(context, id, { found });
  live.end = task.ended.then(async (status) => {
    stopHealth(context, id);
    if (await handleEnd(context, id, task, status)) scheduleRestart(context, id, status);
  });
}

/** Docker takes a run of ten seconds as proof that a container works, and starts counting anew. */
const QUICK_MS = 10_000;

function scheduleRestart(context: ContainerContext, id: string, status: ExitStatus): void {
  const live = context.live.of(id);
  const ranMs = Number((status.exitedAtNs - status.startedAtNs) / 1_000_000n);
  live.quickRestarts = ranMs >= QUICK_MS ? 0 : live.quickRestarts + 1;
  live.restartTimer = setTimeout(() => {
    startContainer(context, id, { byPolicy: true }).catch((error) => {
      context.log.warn(`container ${id} could not be restarted: ${messageOf(error)}`);
    });
  }, restartDelayMs(live.quickRestarts));
}

/** The steps of a start. What each step took is released in reverse when a later one fails. */
async function launch(
  context: ContainerContext,
  record: ContainerRecord,
  restartCount: number,
): Promise<Task> {
  await using undo = new AsyncDisposableStack();
  const request = await connect(context, record, undo);
  undo.defer(() => releaseVolumes(context, record));
  await acquireVolumes(context, record);
  const { plan, how, warnings } = await context.planner.plan(request);
  for (const warning of warnings) context.log.warn(warning, { container: record.id });

  const task = await context.launcher.launch(record.id, plan, how);
  undo.defer(() => task.remove());
  await context.network.enter(record.id, task.pid);
  for (const warning of task.warnings) context.log.warn(warning, { container: record.id });
  const live = context.live.of(record.id);
  for (const attachment of live.attachments) await attachment.connect(task);
  live.attachments.clear();

  await task.start();
  context.table.setState(record.id, running(task.pid, wallClockNs()), restartCount);
  undo.move();
  return task;
}

async function connect(
  context: ContainerContext,
  record: ContainerRecord,
  undo: AsyncDisposableStack,
): Promise<LaunchRequest> {
  const folder = join(context.folder, record.id);
  const log = join(folder, `${record.id}-json.log`);
  const joined = joinedNamespaces(context, record);
  const mode = networkModeOf(record.definition.hostConfig);
  if (mode.kind === "container") {
    const other = filesOf(context, context.table.find(mode.reference).id);
    return { record, joined, linked: [], networkOperations: [], files: { ...other, log } };
  }
  const files = filesOf(context, record.id);
  const linked = linkEnvironment(context, record, { required: true });
  const networkOperations = await context.network.open(sandboxRequest(record, files));
  undo.defer(() => context.network.close(record.id));
  return { record, joined, linked, networkOperations, files };
}

/** Where a container's generated files and its log lie. */
export function filesOf(context: Pick<ContainerContext, "folder">, id: string): ContainerFiles {
  const folder = join(context.folder, id);
  return {
    resolvConf: join(folder, "resolv.conf"),
    hosts: join(folder, "hosts"),
    hostname: join(folder, "hostname"),
    log: join(folder, `${id}-json.log`),
  };
}

/** The namespaces of others that it joins. Throws conflict when one of them does not run. */
export function joinedNamespaces(context: ContainerContext, record: ContainerRecord): JoinedNamespaces {
  const { NetworkMode, PidMode, IpcMode } = record.definition.hostConfig;
  const network = donorOf(context, NetworkMode, "network");
  const pid = donorOf(context, PidMode, "PID");
  const ipc = donorOf(context, IpcMode, "IPC");
  const user = userNamespaceOf(record, [network, pid, ipc]);
  return {
    ...(user === undefined ? {} : { user: `/proc/${user.pid}/ns/user` }),
    ...(network === undefined ? {} : { network: `/proc/${network.pid}/ns/net` }),
    ...(pid === undefined ? {} : { pid: `/proc/${pid.pid}/ns/pid` }),
    ...(ipc === undefined ? {} : { ipc: `/proc/${ipc.pid}/ns/ipc`, shm: `/proc/${ipc.pid}/ns/mnt` }),
  };
}

/**
 * Shared namespaces belong to a user namespace, which so is shared as well. Undefined when there is none to share. Throws
 * when the ids of the containers are not the same, or when two of them are in namespaces that have nothing in common.
 */
function userNamespaceOf(
  { definition: { idMaps } }: ContainerRecord,
  donors: readonly (Donor | undefined)[],
): Donor | undefined {
  const [first, ...others] = donors.filter((donor) => donor !== undefined);
  if (idMaps === undefined || first === undefined) return undefined;
  if (!areSameMaps(idMaps, first.idMaps)) {
    throw conflict(
      `cannot join namespaces of container ${first.id}: its user namespace is another (hint: use --userns=host for both or for none)`,
    );
  }
  const namespace = ({ pid }: Donor) => readlinkSync(`/proc/${pid}/ns/user`);
  if (others.some((other) => namespace(other) !== namespace(first)))
    throw conflict("cannot join namespaces of containers that do not share a user namespace");
  return first;
}

interface Donor {
  readonly id: string;
  readonly pid: number;
  readonly idMaps: IdMaps | undefined;
}

/** The first process of the container that a "container:" mode names. Throws in Docker's words when it cannot be joined. */
function donorOf(
  context: ContainerContext,
  mode: string,
  what: "network" | "PID" | "IPC",
): Donor | undefined {
  if (!mode.startsWith("container:")) return undefined;
  const { id, state, definition } = context.table.find(mode.slice("container:".length));
  if (!isRunning(state)) {
    throw what === "network"
      ? conflict(`cannot join network of a non running container: ${id}`)
      : internal(`failed to join ${what} namespace: container ${id} is not running`);
  }
  const { IpcMode } = definition.hostConfig;
  if (what === "IPC" && IpcMode !== "shareable" && IpcMode !== "host" && !IpcMode.startsWith("container:")) {
    throw invalid(
      `failed to join IPC namespace: container ${id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return { id, pid: state.pid, idMaps: definition.idMaps };
}
