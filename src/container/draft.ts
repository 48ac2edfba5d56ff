import { hostname } from "node:os";
import { invalid } from "../errors/index.ts";
import { randomHex, wallClockNs } from "../platform/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { validateHealth } from "./health/index.ts";
import { resolveLinks } from "./links.ts";
import { parseLogConfig } from "./logs/index.ts";
import { type MountRequest, parseMounts } from "./mounts/index.ts";
import { generateName, isValidName } from "./names/index.ts";
import { validateNetworkMode } from "./network-mode.ts";
import type { ContainerRecord } from "./record.ts";
import type { CreateRequest } from "./service.ts";
import {
  discardUnknownLimits,
  layerLimitOf,
  mergeImageConfig,
  numericUser,
  validateHostConfig,
  validateWithUserNamespace,
  withDefaults,
} from "./spec/index.ts";
import { created } from "./state.ts";

/**
 * What a request says, checked and completed by its image and the defaults. Nothing is made yet, and so its mounts are
 * not among it: see mountRequestsOf. Throws in Docker's words what is wrong with it.
 */
export async function draftContainer(
  context: ContainerContext,
  request: CreateRequest,
): Promise<{ record: ContainerRecord; warnings: string[] }> {
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
  if (hostConfig.Runtime === "") hostConfig.Runtime = context.runtimes.defaultName;
  context.runtimes.find(hostConfig.Runtime);
  warnings.push(...validateHostConfig(hostConfig, config));
  const layerLimitBytes = layerLimitOf(hostConfig.StorageOpt, context.layerLimitBytes);
  if (layerLimitBytes !== undefined) await context.snapshotter.checkLimits();
  context.groups.checkParent(hostConfig.CgroupParent);
  const idMaps = hostConfig.UsernsMode === "host" ? undefined : context.idMaps;
  if (idMaps !== undefined) validateWithUserNamespace(hostConfig);
  hostConfig = withDefaults(hostConfig, context.groups);
  validateHealth(config.Healthcheck);
  parseLogConfig(hostConfig.LogConfig);
  if (hostConfig.LogConfig.Type === "") hostConfig.LogConfig = { ...hostConfig.LogConfig, Type: "json-file" };
  const hostnameGiven = config.Hostname !== "";
  if (config.Hostname === "")
    config.Hostname = hostConfig.NetworkMode === "host" ? hostname() : id.slice(0, 12);

  const record: ContainerRecord = {
    id,
    name: name === "" ? freeName(context) : name,
    createdAtNs: wallClockNs(),
    definition: {
      config,
      hostConfig,
      networkingConfig: request.networkingConfig,
      imageId: image.id,
      chainId: image.chainId,
      platform: image.os,
      mounts: [],
      ...(layerLimitBytes === undefined ? {} : { layerLimitBytes }),
      ...(idMaps === undefined ? {} : { idMaps }),
    },
    state: created(),
    restartCount: 0,
  };
  validateNetworkMode(record, hostnameGiven);
  hostConfig.Links = resolveLinks(context, record);
  return { record, warnings };
}

/** The mounts that a container to be made asks for. */
export function mountRequestsOf(context: ContainerContext, { definition }: ContainerRecord): MountRequest[] {
  const { config, hostConfig } = definition;
  const requests = parseMounts(config, hostConfig, inheritedMounts(context, hostConfig.VolumesFrom ?? []));
  for (const { matchUser } of requests) if (matchUser) numericUser(config.User);
  return requests;
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
