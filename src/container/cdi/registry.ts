import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { invalid, messageOf } from "../../errors/index.ts";
import type { Log } from "../../log/index.ts";
import type { DeviceRequest } from "../../wire/index.ts";
import { type CdiSpec, type ContainerEdits, readCdiSpec } from "./spec.ts";

/** The devices that files of the Container Device Interface describe. */
export interface CdiRegistry {
  readonly folders: readonly string[];
  /** What the requests of a container add to it. Throws invalid, in Docker's words, for a device that nobody describes. */
  resolve(requests: readonly DeviceRequest[]): ContainerEdits[];
  /**
   * The devices that a step of a build means by a name: "vendor.com/class=name", "vendor.com/class=*" for all of a kind,
   * "vendor.com/class" for its first, or a class that devices are annotated with.
   */
  match(name: string): BuildDevice[];
}

export interface BuildDevice {
  /** "vendor.com/class=name" */
  readonly name: string;
  /** Its file says that builds may have it without being allowed to. */
  readonly isAllowedToBuilds: boolean;
}

/** BuildKit's annotations (docs/reference/dockerfile, RUN --device). */
const CLASS = "org.mobyproject.buildkit.device.class";
const AUTO_ALLOW = "org.mobyproject.buildkit.device.autoallow";

const GPU_KIND = "nvidia.com/gpu";

/** Folders that come later win. They are read at each use, for drivers write them when they please. */
export function createCdiRegistry(folders: readonly string[], log: Log): CdiRegistry {
  return {
    folders,
    match(name) {
      const all = readAll(folders, log).flatMap(({ kind, devices }) =>
        [...devices].map(([own, { annotations }]) => ({ kind, name: `${kind}=${own}`, annotations })),
      );
      const kind = all.filter((device) => device.kind === name.replace(/=\*$/, ""));
      const byName = name.endsWith("=*")
        ? kind
        : kind.length > 0
          ? kind.slice(0, 1)
          : all.filter((device) => device.name === name).slice(-1);
      const found =
        byName.length > 0 ? byName : all.filter(({ annotations }) => annotations.get(CLASS) === name);
      return found.map((device) => ({
        name: device.name,
        isAllowedToBuilds: /^(1|t|true)$/i.test(device.annotations.get(AUTO_ALLOW) ?? ""),
      }));
    },
    resolve(requests) {
      if (requests.length === 0) return [];
      const specs = readAll(folders, log);
      const names = requests.flatMap((request) => namesOf(request, specs));
      const missing = names.filter((name) => find(specs, name) === undefined);
      if (missing.length > 0)
        throw invalid(`CDI device injection failed: unresolvable CDI devices ${missing.join(", ")}`);
      const found = names.map((name) => find(specs, name)).filter((item) => item !== undefined);
      const files = new Set(found.map(({ spec }) => spec));
      return [...[...files].map((spec) => spec.edits()), ...found.map(({ edits }) => edits())];
    },
  };
}

/** "vendor.com/class=name" for each device that a request is for. */
function namesOf(request: DeviceRequest, specs: readonly CdiSpec[]): string[] {
  if (request.Driver === "cdi") return request.DeviceIDs ?? [];
  const wantsGpu = request.Capabilities.some((set) => set.includes("gpu"));
  const gpus = specs.findLast(({ kind }) => kind === GPU_KIND);
  if (!wantsGpu || gpus === undefined || !["", "nvidia"].includes(request.Driver)) {
    const capabilities = request.Capabilities.map((set) => `[${set.join(" ")}]`).join(" ");
    throw invalid(
      `could not select device driver ${JSON.stringify(request.Driver)} with capabilities: [${capabilities}]`,
    );
  }
  const ids = request.DeviceIDs ?? [];
  if (ids.length > 0) return ids.map((id) => `${GPU_KIND}=${id}`);
  if (request.Count === -1) return [`${GPU_KIND}=all`];
  return Array.from({ length: request.Count }, (_, index) => `${GPU_KIND}=${index}`);
}

function find(
  specs: readonly CdiSpec[],
  qualified: string,
): { spec: CdiSpec; edits: () => ContainerEdits } | undefined {
  const at = qualified.indexOf("=");
  const [kind, name] = [qualified.slice(0, at), qualified.slice(at + 1)];
  const spec = specs.findLast((item) => item.kind === kind && item.devices.has(name));
  const edits = spec?.devices.get(name)?.edits;
  return spec === undefined || edits === undefined ? undefined : { spec, edits };
}

/** A file that cannot be read is told of, and hides no other. */
function readAll(folders: readonly string[], log: Log): CdiSpec[] {
  const files = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => /\.(json|yaml)$/.test(name))
        .sort()
        .map((name) => join(folder, name)),
    );
  return files.flatMap((file) => {
    try {
      return [readCdiSpec(file)];
    } catch (error) {
      log.warn(`devices of a file are left out: ${messageOf(error)}`);
      return [];
    }
  });
}
