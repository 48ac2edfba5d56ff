import { invalid } from "../errors/index.ts";
import { keyedMutex } from "../platform/index.ts";
import { attachContainer } from "./attach.ts";
import { listContainerChanges } from "./changes.ts";
import { commitContainer } from "./commit.ts";
import { createContainer } from "./create.ts";
import type { ContainerContext, ContainerServiceOptions } from "./dependencies.ts";
import { createExec, inspectExec, resizeExec, startExec } from "./exec.ts";
import { createExecTable, execMigrations } from "./exec-table.ts";
import { explainContainer, explainRequest } from "./explain/index.ts";
import { exportContainer } from "./export.ts";
import { packContainerPath, statContainerPath, unpackIntoContainer } from "./files.ts";
import { inspectContainer } from "./inspect.ts";
import { listContainers } from "./list.ts";
import { createLiveContainers } from "./live.ts";
import { openContainerLog } from "./logs.ts";
import { connectToNetwork, disconnectFromNetwork } from "./network-membership.ts";
import { pauseContainer, unpauseContainer } from "./pause.ts";
import { pruneContainers } from "./prune.ts";
import { reconcileContainers, startByPolicy } from "./reconcile.ts";
import { removeContainer } from "./remove.ts";
import { renameContainer } from "./rename.ts";
import type { ContainerService } from "./service.ts";
import { startContainer } from "./start.ts";
import { isRunning } from "./state.ts";
import { readStats, streamStats } from "./stats.ts";
import { killContainer, restartContainer, stopContainer } from "./stop.ts";
import { containerMigrations, createContainerTable } from "./table.ts";
import { topContainer } from "./top.ts";
import { updateContainer } from "./update.ts";
import { waitForContainer } from "./wait.ts";

export { prepareBaseLayer } from "./base-layer.ts";
export { type CdiRegistry, createCdiRegistry } from "./cdi/index.ts";
export type { ContainerServiceOptions } from "./dependencies.ts";
export { createContainerGroups } from "./groups.ts";
export { idmappedLayersFault } from "./idmapped-layers.ts";
export type * from "./launch-planner.ts";
export { createLaunchPlanner, type LaunchPlannerOptions } from "./planner.ts";
export type { ContainerRecord, ResolvedMount } from "./record.ts";
export type * from "./service.ts";
export { runStep, type StepOptions, type StepRequest } from "./step.ts";

export const migrations = [...containerMigrations, ...execMigrations];

/** The service with what only the composition calls. */
export interface OwnedContainerService extends ContainerService {
  /** Run once at start, before any request. */
  reconcile(): Promise<void>;
  /** Run once after it. */
  startByPolicy(): Promise<void>;
  /** Who uses an image, for its removal. */
  usersOf(imageId: string): { containerId: string; running: boolean }[];
  /** Ids of the containers that have a volume among their mounts. */
  usersOfVolume(name: string): string[];
  counts(): { all: number; running: number; paused: number };
}

export function createContainerService(options: ContainerServiceOptions): OwnedContainerService {
  const context: ContainerContext = {
    ...options,
    table: createContainerTable(options.store),
    execs: createExecTable(options.store),
    live: createLiveContainers(),
    execTasks: new Map(),
    locks: keyedMutex(),
  };
  const { table } = context;
  return {
    create: (request) => createContainer(context, request),
    start: async (reference) => startContainer(context, table.find(reference).id),
    stop: (reference, how) => stopContainer(context, reference, how),
    restart: (reference, how) => restartContainer(context, reference, how),
    kill: (reference, signal) => killContainer(context, reference, signal),
    pause: (reference) => pauseContainer(context, reference),
    unpause: (reference) => unpauseContainer(context, reference),
    update: (reference, changes) => updateContainer(context, reference, changes),
    top: (reference, psArgs) => topContainer(context, reference, psArgs),
    streamStats: (reference, signal) => streamStats(context, reference, signal),
    readStats: (reference, { oneShot }, signal) => readStats(context, reference, oneShot, signal),
    rename: (reference, name) => renameContainer(context, reference, name),
    remove: (reference, how) => removeContainer(context, reference, how),
    wait: (reference, condition, signal) => waitForContainer(context, reference, condition, signal),
    list: (how) => listContainers(context, how),
    inspect: (reference, how) => inspectContainer(context, reference, how),
    explain: (reference) => explainContainer(context, reference),
    explainRequest: (request) => explainRequest(context, request),
    logs: (reference, how, signal) => openContainerLog(context, reference, how, signal),
    attach: (reference, how) => attachContainer(context, reference, how),
    async resize(reference, rows, columns) {
      const task = context.live.peek(table.find(reference).id)?.task;
      if (task === undefined) throw invalid(`cannot resize a stopped container: ${reference}`);
      await task.resize(rows, columns);
    },
    connectNetwork: (network, reference, settings) => connectToNetwork(context, network, reference, settings),
    disconnectNetwork: (network, reference, { force }) =>
      disconnectFromNetwork(context, network, reference, force),
    prune: (filters) => pruneContainers(context, filters),
    commit: (reference, how, signal) => commitContainer(context, reference, how, signal),
    export: (reference) => exportContainer(context, reference),
    statPath: (reference, path, signal) => statContainerPath(context, reference, path, signal),
    packPath: (reference, path, signal) => packContainerPath(context, reference, path, signal),
    unpackInto: (reference, path, archive, how, signal) =>
      unpackIntoContainer(context, reference, path, archive, how, signal),
    changes: (reference, signal) => listContainerChanges(context, reference, signal),
    createExec: (reference, config) => createExec(context, reference, config),
    startExec: (id, how) => startExec(context, id, how),
    inspectExec: (id) => inspectExec(context, id),
    resizeExec: (id, rows, columns) => resizeExec(context, id, rows, columns),
    reconcile: () => reconcileContainers(context),
    startByPolicy: () => startByPolicy(context),
    usersOf: (imageId) =>
      table
        .list()
        .filter(
          ({ definition }) =>
            definition.imageId === imageId || definition.mounts.some(({ image }) => image?.id === imageId),
        )
        .map(({ id, state }) => ({ containerId: id, running: isRunning(state) })),
    usersOfVolume: (name) =>
      table
        .list()
        .filter(({ definition }) =>
          definition.mounts.some((mount) => mount.Type === "volume" && mount.Name === name),
        )
        .map(({ id }) => id),
    counts() {
      const all = table.list();
      const paused = all.filter(({ state }) => state.status === "paused").length;
      const running = all.filter(({ state }) => isRunning(state)).length - paused;
      return { all: all.length, running, paused };
    },
  };
}
