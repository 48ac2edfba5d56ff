import { mkdir, stat } from "node:fs/promises";
import { errnoOf, invalid } from "../../errors/index.ts";
import type { ImageService } from "../../image/index.ts";
import { type ContainerVolumes, isMountVolume, limitOf } from "../../volume/index.ts";
import type { ResolvedMount } from "../record.ts";
import type { MountRequest } from "./parse.ts";

/**
 * Turn requests into mounts: named volumes are made when absent, anonymous ones always, missing sources of `-v` are
 * made as folders (Docker's old promise), missing sources of `--mount` are refused. `made` collects the names of
 * anonymous volumes as they are made, so that a create that fails later can take them back.
 */
export async function resolveMounts(
  requests: readonly MountRequest[],
  sources: MountSources,
  made: string[],
): Promise<ResolvedMount[]> {
  const mounts: ResolvedMount[] = [];
  for (const request of requests) mounts.push(await resolveOne(request, sources, made));
  return mounts;
}

/** Where mounts come from. */
export interface MountSources {
  readonly volumes: Pick<ContainerVolumes, "ensure">;
  readonly images: Pick<ImageService, "resolve">;
  /** Make a missing folder of the host's; gives its owner. */
  readonly makeFolder: (path: string) => Promise<Owner>;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A folder with all above it. */
export async function makeFolder(path: string): Promise<Owner> {
  await mkdir(path, { recursive: true });
  const { uid, gid } = await stat(path);
  return { uid, gid };
}

async function resolveOne(
  request: MountRequest,
  { volumes, images, makeFolder: make }: MountSources,
  made: string[],
): Promise<ResolvedMount> {
  const common = {
    Destination: request.target,
    Mode: request.mode,
    RW: !request.readonly,
    nonRecursive: request.nonRecursive,
    readonlyNonRecursive: request.readonlyNonRecursive,
    tmpfsOptions: request.tmpfsOptions,
  };
  switch (request.type) {
    case "tmpfs":
      return { ...common, Type: "tmpfs", Source: "", Propagation: "", copyUp: false, anonymous: false };
    case "image": {
      const { id, chainId } = await images.resolve(request.source);
      if (chainId === undefined)
        throw invalid(`invalid mount config for type "image": image ${request.source} has no files`);
      return {
        ...common,
        Type: "image",
        Source: request.source,
        Propagation: "",
        copyUp: false,
        anonymous: false,
        image: { id, chainId },
        ...(request.subpath === "" ? {} : { subpath: request.subpath }),
      };
    }
    case "bind": {
      const owner = await requireSource(request, make);
      return {
        ...common,
        ...(request.matchUser ? { owner } : {}),
        Type: "bind",
        Source: request.source,
        Propagation: request.propagation === "" ? "rprivate" : request.propagation,
        copyUp: false,
        anonymous: false,
      };
    }
    case "volume": {
      const { source: name, driver, labels, driverOptions: options } = request;
      const volume = await volumes.ensure({ name, driver, labels, options });
      if (name === "") made.push(volume.name);
      return {
        ...common,
        Mode: request.mode === "" ? "z" : request.mode,
        Type: "volume",
        Name: volume.name,
        Source: volume.mountpoint,
        Driver: volume.driver,
        Propagation: "",
        ...(request.subpath === "" ? {} : { subpath: request.subpath }),
        copyUp: !request.noCopy && request.subpath === "",
        ownIds: !isMountVolume(volume),
        ...(limitOf(volume) === undefined ? {} : { limited: true }),
        anonymous: name === "",
      };
    }
  }
}

/** Owner of the source. */
async function requireSource(request: MountRequest, make: MountSources["makeFolder"]): Promise<Owner> {
  try {
    const { uid, gid } = await stat(request.source);
    return { uid, gid };
  } catch (cause) {
    if (errnoOf(cause) !== "ENOENT") {
      throw invalid(
        `invalid mount config for type "bind": stat ${request.source}: ${errnoOf(cause) ?? "failed"}`,
        { cause },
      );
    }
    if (!request.createSource) {
      throw invalid(
        `invalid mount config for type "bind": bind source path does not exist: ${request.source}`,
        { cause },
      );
    }
    return make(request.source);
  }
}
