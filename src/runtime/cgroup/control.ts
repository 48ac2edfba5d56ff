import { closeSync, constants, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, internal, invalid } from "../../errors/index.ts";
import type { LinuxResources } from "../spec/index.ts";
import { freeze, isFrozen, thaw } from "./freezer.ts";
import { type CgroupFolder, type CgroupLayout, foldersOf } from "./layout.ts";
import { type LimitFile, legacyLimits, unifiedLimits } from "./limits.ts";
import { type LimitInForce, limitsInForce } from "./limits-in-force.ts";
import { type CgroupStatistics, readOomKills, readStatistics } from "./statistics.ts";

/** A control group that exists, while its processes run. */
export interface ControlGroup {
  /** Below the root of every hierarchy: "/gantry/ID". */
  readonly path: string;
  /** Stop all its processes where they are. Throws internal when one cannot be stopped. */
  freeze(): Promise<void>;
  thaw(): void;
  isFrozen(): boolean;
  /** Set the limits that are given; others stay. Throws invalid for a value that the kernel refuses. */
  apply(resources: LinuxResources): void;
  /** Ids of all processes in it and in groups below it. Empty when it is gone. */
  processes(): number[];
  statistics(): CgroupStatistics;
  /** Its limits as the kernel has them now, and what is used of each. */
  limits(): LimitInForce[];
  /** Its folders in all hierarchies. */
  folders(): CgroupFolder[];
  /** How many of its processes were killed for want of memory. */
  oomKills(): number;
}

export function controlGroup(layout: CgroupLayout, path: string): ControlGroup {
  return {
    path,
    freeze: () => freeze(layout, path),
    thaw: () => thaw(layout, path),
    isFrozen: () => isFrozen(layout, path),
    apply: (resources) => applyLimits(layout, path, resources),
    processes: () => processesIn(foldersOf(layout, path).map(({ folder }) => folder)),
    statistics: () => readStatistics(layout, path),
    limits: () => limitsInForce(layout, path),
    folders: () => foldersOf(layout, path),
    oomKills: () => readOomKills(layout, path),
  };
}

function applyLimits(layout: CgroupLayout, path: string, resources: LinuxResources): void {
  for (const { folder, version, controllers } of foldersOf(layout, path)) {
    for (const controller of controllers) {
      const files =
        version === 1
          ? inPossibleOrder(folder, legacyLimits(controller, resources))
          : unifiedLimits(controller, completed(folder, resources));
      for (const limit of files) writeLimit(folder, limit);
    }
  }
}

/** Where version 2 makes one value of two limits, the one that is not given is what it is now. */
function completed(folder: string, resources: LinuxResources): LinuxResources {
  const { memory = {}, cpu = {} } = resources;
  const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d+$/.test(text);
  const words = (file: string) => readText(join(folder, file))?.split(" ") ?? [];
  const [limit] = memory.swap !== undefined && memory.limit === undefined ? words("memory.max") : [];
  const [quota, period] = cpu.quota === undefined || cpu.period === undefined ? words("cpu.max") : [];
  return {
    ...resources,
    memory: { ...(isNumber(limit) ? { limit: Number(limit) } : {}), ...memory },
    cpu:
      cpu.quota === undefined && cpu.period === undefined
        ? cpu
        : {
            ...(isNumber(quota) ? { quota: Number(quota) } : {}),
            ...(isNumber(period) ? { period: Number(period) } : {}),
            ...cpu,
          },
  };
}

/** Memory with swap may never be below memory alone: where the former grows, it has to grow first. */
function inPossibleOrder(folder: string, files: LimitFile[]): LimitFile[] {
  const swap = files.find(({ file }) => file === "memory.memsw.limit_in_bytes");
  const memory = files.find(({ file }) => file === "memory.limit_in_bytes");
  if (swap === undefined || memory === undefined) return files;
  const now = readNumber(join(folder, swap.file));
  const grows = swap.data === "-1" || (now !== undefined && BigInt(swap.data) > now);
  return grows ? [swap, ...files.filter((file) => file !== swap)] : files;
}

function readNumber(file: string): bigint | undefined {
  const text = readText(file);
  return text === undefined ? undefined : BigInt(text);
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function writeLimit(folder: string, { file, data, optional }: LimitFile): void {
  try {
    writeExisting(join(folder, file), data);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT" && optional) return;
    if (errno === "EBUSY")
      throw invalid(`${file} cannot be set to ${data}: more than that is in use`, { cause });
    if (errno === "EINVAL" || errno === "ERANGE" || errno === "ENODEV")
      throw invalid(`the kernel refuses ${data} for ${file}`, { cause });
    throw internal(`${file} cannot be set to ${data}: ${errno ?? "failed"}`, { cause });
  }
}

/** Without O_CREAT: the kernel refuses to make a file in other words than that it is not there. */
function writeExisting(file: string, data: string): void {
  const fd = openSync(file, constants.O_WRONLY);
  try {
    writeSync(fd, data);
  } finally {
    closeSync(fd);
  }
}

/** Of all hierarchies: another runtime may use only some of them. */
function processesIn(tops: readonly string[]): number[] {
  const found = new Set<number>();
  const folders = [...tops];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      const text = readFileSync(join(folder, "cgroup.procs"), "utf8");
      for (const pid of text.split("\n").filter(Boolean)) found.add(Number(pid));
      for (const entry of readdirSync(folder, { withFileTypes: true }))
        if (entry.isDirectory()) folders.push(join(folder, entry.name));
    } catch (error) {
      // A group may go while it is looked at.
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENODEV") throw error;
    }
  }
  return [...found].sort((a, b) => a - b);
}
