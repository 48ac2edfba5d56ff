import { readFileSync } from "node:fs";
import { conflict } from "../../errors/index.ts";
import { controlGroup } from "../../runtime/cgroup/index.ts";
import { parseJson, readResources } from "../../runtime/oci/index.ts";
import { parseBytes } from "../../units/index.ts";
import { int, string } from "../command/command.ts";
import type { FlagValues } from "../command/flags.ts";
import type { OciCommand } from "./command.ts";

const STDIN = 0;

export const update: OciCommand = {
  summary: "Change the limits of a container",
  usage: "[OPTIONS] CONTAINER",
  flags: [
    int("blkio-weight", "Share of block IO, between 10 and 1000"),
    int("cpu-burst", "CPU time that may be saved up, in microseconds"),
    int("cpu-idle", "1 runs it only when nothing else does"),
    int("cpu-period", "Period of the CPU quota in microseconds"),
    int("cpu-quota", "CPU time within a period in microseconds"),
    int("cpu-rt-period", "Period of real-time scheduling in microseconds"),
    int("cpu-rt-runtime", "Real-time CPU time within a period in microseconds"),
    int("cpu-share", "CPU shares"),
    string("cpuset-cpus", "CPUs it may run on"),
    string("cpuset-mems", "Memory nodes it may use"),
    string("memory", "Limit of memory", { type: "bytes" }),
    string("memory-reservation", "Soft limit of memory", { type: "bytes" }),
    string("memory-swap", "Limit of memory and swap together; -1 for none", { type: "bytes" }),
    int("pids-limit", "Limit of processes"),
    string("resources", "File with linux.resources as JSON, '-' for stdin", { short: "r" }),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, flags, args: [id = ""] }) {
    const record = context.store.load(id);
    if (context.store.statusOf(record) === "stopped") throw conflict("container not running");
    const document = documentOf(flags);
    // Devices are decided when a container is made.
    const { devices: _devices, ...resources } = readResources(parseJson(document, "resources"));
    controlGroup(context.layout, record.cgroupPath).apply(resources);
    if (record.unit !== undefined) {
      await using scopes = await context.openScopes();
      await scopes.limit(record.unit, resources);
    }
    return 0;
  },
};

/** linux.resources as JSON: the file's, or made from the flags. */
function documentOf(flags: FlagValues): string {
  const file = flags.string("resources");
  if (file !== "") return readFileSync(file === "-" ? STDIN : file, "utf8");
  const bytes = (name: string) => {
    const text = flags.optional(name);
    return text === undefined ? undefined : text === "-1" ? -1 : parseBytes(text);
  };
  return JSON.stringify({
    memory: {
      limit: bytes("memory"),
      reservation: bytes("memory-reservation"),
      swap: bytes("memory-swap"),
    },
    cpu: {
      shares: flags.int("cpu-share"),
      quota: flags.int("cpu-quota"),
      period: flags.int("cpu-period"),
      burst: flags.int("cpu-burst"),
      idle: flags.int("cpu-idle"),
      realtimePeriod: flags.int("cpu-rt-period"),
      realtimeRuntime: flags.int("cpu-rt-runtime"),
      cpus: flags.optional("cpuset-cpus"),
      mems: flags.optional("cpuset-mems"),
    },
    ...(flags.has("pids-limit") ? { pids: { limit: flags.int("pids-limit") } } : {}),
    ...(flags.has("blkio-weight") ? { blockIO: { weight: flags.int("blkio-weight") } } : {}),
  });
}
