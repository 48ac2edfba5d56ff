import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import { type CgroupLayout, legacyFolder, unifiedFolder } from "./layout.ts";

/** A limit as the kernel has it, beside what is used of it at this moment. */
export interface LimitInForce {
  readonly name: string;
  /** The file that holds it. */
  readonly file: string;
  /** In the file's own words; undefined where nothing is limited. */
  readonly limit: string | undefined;
  /** undefined where nothing is counted. */
  readonly use: string | undefined;
  /** Of both; "" for words. */
  readonly unit: "bytes" | "processes" | "";
}

interface Kind {
  readonly name: string;
  readonly unit: LimitInForce["unit"];
  readonly controller: string;
  readonly legacy?: Files;
  readonly unified?: Files;
}

interface Files {
  readonly limit: string;
  readonly use?: string;
}

const KINDS: readonly Kind[] = [
  {
    name: "memory",
    unit: "bytes",
    controller: "memory",
    legacy: { limit: "memory.limit_in_bytes", use: "memory.usage_in_bytes" },
    unified: { limit: "memory.max", use: "memory.current" },
  },
  {
    name: "memory and swap",
    unit: "bytes",
    controller: "memory",
    legacy: { limit: "memory.memsw.limit_in_bytes", use: "memory.memsw.usage_in_bytes" },
  },
  {
    name: "swap",
    unit: "bytes",
    controller: "memory",
    unified: { limit: "memory.swap.max", use: "memory.swap.current" },
  },
  {
    name: "memory reservation",
    unit: "bytes",
    controller: "memory",
    legacy: { limit: "memory.soft_limit_in_bytes" },
    unified: { limit: "memory.low" },
  },
  {
    name: "processes",
    unit: "processes",
    controller: "pids",
    legacy: { limit: "pids.max", use: "pids.current" },
    unified: { limit: "pids.max", use: "pids.current" },
  },
  {
    name: "CPU shares",
    unit: "",
    controller: "cpu",
    legacy: { limit: "cpu.shares" },
    unified: { limit: "cpu.weight" },
  },
  { name: "CPU time", unit: "", controller: "cpu", unified: { limit: "cpu.max" } },
  { name: "CPU quota (µs)", unit: "", controller: "cpu", legacy: { limit: "cpu.cfs_quota_us" } },
  { name: "CPU period (µs)", unit: "", controller: "cpu", legacy: { limit: "cpu.cfs_period_us" } },
  {
    name: "CPUs",
    unit: "",
    controller: "cpuset",
    legacy: { limit: "cpuset.cpus" },
    unified: { limit: "cpuset.cpus", use: "cpuset.cpus.effective" },
  },
  {
    name: "memory nodes",
    unit: "",
    controller: "cpuset",
    legacy: { limit: "cpuset.mems" },
    unified: { limit: "cpuset.mems", use: "cpuset.mems.effective" },
  },
  {
    name: "disk throttles",
    unit: "",
    controller: "io",
    unified: { limit: "io.max" },
  },
  ...["read_bps", "write_bps", "read_iops", "write_iops"].map(
    (what): Kind => ({
      name: `disk ${what}`,
      unit: "",
      controller: "blkio",
      legacy: { limit: `blkio.throttle.${what}_device` },
    }),
  ),
  { name: "devices", unit: "", controller: "devices", legacy: { limit: "devices.list" } },
];

/** Version 1 writes "no limit" as the largest number of whole pages. */
const UNLIMITED = 2 ** 62;

/** The limits of a group that exists, those that the kernel knows. */
export function limitsInForce(layout: CgroupLayout, path: string): LimitInForce[] {
  return KINDS.flatMap(({ name, unit, controller, legacy, unified }) => {
    const folder = legacyFolder(layout, path, controller);
    const files = folder === undefined ? unified : legacy;
    const place = folder ?? unifiedFolder(layout, path);
    if (files === undefined || place === undefined) return [];
    const file = join(place, files.limit);
    const text = read(file);
    if (text === undefined) return [];
    const use = files.use === undefined ? undefined : read(join(place, files.use));
    return [{ name, file, unit, limit: isLimited(text) ? text : undefined, use }];
  });
}

const isLimited = (text: string): boolean =>
  text !== "" &&
  text !== "-1" &&
  !text.startsWith("max") &&
  !(/^\d+$/.test(text) && Number(text) >= UNLIMITED);

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim().replaceAll("\n", ", ");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV" || errno === "EOPNOTSUPP") return undefined;
    throw error;
  }
}
