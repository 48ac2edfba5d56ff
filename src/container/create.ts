import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { EngineError, invalid } from "../errors/index.ts";
import { randomHex, wallClockNs } from "../platform/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { validateHealth } from "./health/index.ts";
import { parseLogConfig } from "./logs/index.ts";
import { type MountRequest, parseMounts, resolveMounts } from "./mounts/index.ts";
import { generateName, isValidName } from "./names/index.ts";
import { attachRequest, networkModeOf, validateNetworkMode } from "./network-mode.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord, ResolvedMount } from "./record.ts";
import type { CreateRequest } from "./service.ts";
import {
  discardUnknownLimits,
  mergeImageConfig,
  numericUser,
  validateHostConfig,
  withDefaults,
} from "./spec/index.ts";
import { created } from "./state.ts";

/**
 * Create: image + names + mounts + a writable snapshot become one row. Nothing of the kernel is touched yet.
 * Row, snapshot row and name appear in one transaction; folders made before it are taken back when it fails.
 */
export async function createContainer(
  context: ContainerContext,
  request: CreateRequest,
): Promise<{ id: string; warnings: string[] }> {
  const name = request.name.startsWith("/") ? request.name.slice(1) : request.name;
  if (name !== "" && !isValidName(name)) {
    throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  const image = await context.images.resolve(request.config.Image, request.platform);
  const config = mergeImageConfig(request.config, image.config);
  if ((config.Entrypoint ?? []).length + (config.Cmd ?? []).length === 0)
    throw invalid("no command specified");
  const id = randomHex(32);
  const { resources, warnings } = discardUnknownLimits(request.hostConfig, context.groups.support);
  let hostConfig = { ...resources };
  if (hostConfig.NetworkMode === "" || hostConfig.NetworkMode === "default")
    hostConfig.NetworkMode = "bridge";
  warnings.push(...validateHostConfig(hostConfig, config));
  hostConfig = withDefaults(hostConfig, context.groups);
  validateHealth(config.Healthcheck);
  parseLogConfig(hostConfig.LogConfig);
  if (hostConfig.LogConfig.Type === "") hostConfig.LogConfig = { ...hostConfig.LogConfig, Type: "json-file" };
  const hostnameGiven = config.Hostname !== "";
  if (config.Hostname === "")
    config.Hostname = hostConfig.NetworkMode === "host" ? hostname() : id.slice(0, 12);

  const definition = {
    config,
    hostConfig,
    networkingConfig: request.networkingConfig,
    imageId: image.id,
    chainId: image.chainId,
    platform: image.os,
    mounts: [] as ResolvedMount[],
  };
  const draft: ContainerRecord = {
    id,
    name: name === "" ? freeName(context) : name,
    createdAtNs: wallClockNs(),
    definition,
    state: created(),
    restartCount: 0,
  };
  validateNetworkMode(draft, hostnameGiven);
  const mode = networkModeOf(hostConfig);
  // Whose network it joins is looked up at the start: an answer of "not found" here would mean the image.
  const insertEndpoints =
    mode.kind === "container" ? () => {} : prepareEndpoints(context, attachRequest(draft, mode.main));

  await using undo = new AsyncDisposableStack();
  const volumesMade: string[] = [];
  undo.defer(async () => {
    for (const volume of volumesMade) await context.volumes.discard(volume);
  });
  const requests = parseMounts(config, hostConfig, inheritedMounts(context, hostConfig.VolumesFrom ?? []));
  for (const { matchUser } of requests) if (matchUser) numericUser(config.User);
  definition.mounts = await resolveMounts(requests, context, volumesMade);

  const folder = join(context.folder, id);
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  mkdirSync(folder, { mode: 0o710 });
  undo.defer(() => context.snapshotter.removeActive(id));
  await context.snapshotter.prepareActive(id);
  context.store.transaction(() => {
    context.table.insert(draft);
    insertEndpoints();
    context.snapshotter.insertActive(id, image.chainId);
  });
  undo.move();
  notify(context, draft, "create");
  return { id, warnings };
}

/** An unknown network is told as a bad request: to "not found" Docker's client answers by pulling the image. */
function prepareEndpoints(
  { network }: Pick<ContainerContext, "network">,
  request: ReturnType<typeof attachRequest>,
): () => void {
  try {
    return network.prepare(request);
  } catch (cause) {
    if (cause instanceof EngineError && cause.kind === "not-found") throw invalid(cause.message, { cause });
    throw cause;
  }
}

function freeName(context: ContainerContext): string {
  for (let attempt = 0; ; attempt++) {
    const name = generateName(attempt);
    if (context.table.findByName(name) === undefined) return name;
  }
}

/** `--volumes-from ID[:ro|:rw]`: the other container's mounts, weakest of all sources. */
function inheritedMounts(context: ContainerContext, sources: readonly string[]): MountRequest[] {
  return sources.flatMap((source) => {
    const at = source.lastIndexOf(":");
    const mode = at < 0 ? "" : source.slice(at + 1);
    if (at >= 0 && mode !== "ro" && mode !== "rw" && mode !== "z")
      throw invalid(`invalid mode for volumes-from: ${mode}`);
    const other = context.table.find(at < 0 ? source : source.slice(0, at));
    return other.definition.mounts.map(
      (mount): MountRequest => ({
        type: mount.Type,
        source: mount.Type === "volume" ? (mount.Name ?? "") : mount.Source,
        target: mount.Destination,
        readonly: mode === "ro" || !mount.RW,
        mode: mount.Mode,
        propagation: mount.Type === "bind" ? mount.Propagation : "",
        noCopy: !mount.copyUp,
        driver: mount.Driver ?? "",
        driverOptions: {},
        labels: {},
        createSource: false,
        nonRecursive: mount.nonRecursive,
        readonlyNonRecursive: mount.readonlyNonRecursive,
        tmpfsOptions: mount.tmpfsOptions,
        subpath: mount.subpath ?? "",
        matchUser: mount.owner !== undefined,
      }),
    );
  });
}
