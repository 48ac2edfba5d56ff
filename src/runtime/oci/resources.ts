import { unsupported } from "../../errors/index.ts";
import type { LinuxResources } from "../spec/index.ts";
import { defined, type Field } from "./json.ts";

/** linux.resources of config.json, or the document given to `update` (config-linux.md, control groups). */
export function readResources(field: Field): LinuxResources {
  const number = (of: Field, name: string) => of.get(name).maybe((item) => item.integer());
  const memory = field.get("memory");
  const cpu = field.get("cpu");
  const pids = field
    .get("pids")
    .get("limit")
    .maybe((item) => item.integer());
  const network = field.get("network");
  if (number(field.get("blockIO"), "leafWeight"))
    throw unsupported("config.json: linux.resources.blockIO.leafWeight: this kernel has no leaf weights");
  return defined({
    memory: defined({
      limit: number(memory, "limit") || undefined,
      reservation: number(memory, "reservation") || undefined,
      swap: number(memory, "swap") || undefined,
      swappiness: number(memory, "swappiness"),
      disableOOMKiller: memory.get("disableOOMKiller").boolean() || undefined,
    }),
    cpu: defined({
      shares: number(cpu, "shares") || undefined,
      quota: number(cpu, "quota") || undefined,
      period: number(cpu, "period") || undefined,
      burst: number(cpu, "burst"),
      realtimeRuntime: number(cpu, "realtimeRuntime") || undefined,
      realtimePeriod: number(cpu, "realtimePeriod") || undefined,
      idle: number(cpu, "idle"),
      cpus: cpu.get("cpus").maybe((item) => item.string()) || undefined,
      mems: cpu.get("mems").maybe((item) => item.string()) || undefined,
    }),
    pids: pids === undefined || pids === 0 ? undefined : { limit: pids },
    blockIO: readBlockIo(field.get("blockIO")),
    devices: field.get("devices").isAbsent ? undefined : field.get("devices").list().map(readRule),
    hugepages: field
      .get("hugepageLimits")
      .list()
      .map((item) => ({
        size: item.get("pageSize").string(),
        limit: item.get("limit").integer(),
      })),
    network: defined({
      classId: number(network, "classID"),
      priorities: network
        .get("priorities")
        .list()
        .map((item) => ({ name: item.get("name").string(), priority: item.get("priority").integer() })),
    }),
    rdma: field
      .get("rdma")
      .entries()
      .map(([device, limits]) => {
        const handles = number(limits, "hcaHandles");
        const objects = number(limits, "hcaObjects");
        return `${device}${handles === undefined ? "" : ` hca_handle=${handles}`}${objects === undefined ? "" : ` hca_object=${objects}`}`;
      }),
    unified: readUnified(field.get("unified")),
  });
}

function readUnified(field: Field): Record<string, string> | undefined {
  if (field.isAbsent) return undefined;
  return Object.fromEntries(
    field.entries().map(([file, value]) => {
      // The name becomes part of a path.
      if (!/^[a-z_]+\.[a-zA-Z0-9_.]+$/.test(file)) throw value.wrong("for a file of a control group");
      return [file, value.string()];
    }),
  );
}

function readBlockIo(field: Field): NonNullable<LinuxResources["blockIO"]> {
  const device = (item: Field) => `${item.get("major").integer()}:${item.get("minor").integer()}`;
  const throttle = (name: string, file: string, unified: string) =>
    field
      .get(name)
      .list()
      .map((item) => ({ file, unified, device: device(item), rate: item.get("rate").integer() }));
  const weight = field.get("weight").maybe((item) => item.integer());
  return {
    ...(weight ? { weight } : {}),
    weightDevice: field
      .get("weightDevice")
      .list()
      .map((item) => ({ device: device(item), weight: item.get("weight").integer() })),
    throttle: [
      ...throttle("throttleReadBpsDevice", "read_bps", "rbps"),
      ...throttle("throttleWriteBpsDevice", "write_bps", "wbps"),
      ...throttle("throttleReadIOPSDevice", "read_iops", "riops"),
      ...throttle("throttleWriteIOPSDevice", "write_iops", "wiops"),
    ],
  };
}

/** A rule in the words of the devices controller. */
function readRule(field: Field): { allow: boolean; rule: string } {
  const number = (name: string) => {
    const value = field.get(name).maybe((item) => item.integer());
    return value === undefined || value < 0 ? "*" : String(value);
  };
  const type = field.get("type").maybe((item) => item.string()) || "a";
  if (!/^[abcu]$/.test(type)) throw field.get("type").wrong("one of a, b, c, u");
  const access = field.get("access").maybe((item) => item.string()) || "rwm";
  if (!/^[rwm]{1,3}$/.test(access)) throw field.get("access").wrong("a combination of r, w and m");
  const allow = field.get("allow").boolean();
  if (type === "a") return { allow, rule: "a *:* rwm" };
  return { allow, rule: `${type === "u" ? "c" : type} ${number("major")}:${number("minor")} ${access}` };
}
