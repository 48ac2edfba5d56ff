import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { invalid } from "../../errors/index.ts";
import type { Resources } from "../../wire/index.ts";

const MINIMUM_MEMORY = 6 * 1024 * 1024;

/** Limits that contradict each other or are out of range. Throws invalid in Docker's words. */
export function validateResources(resources: Resources): void {
  validateMemory(resources);
  validateCpu(resources);
  validateBlockIo(resources);
}

function validateMemory({ Memory, MemorySwap, MemoryReservation, MemorySwappiness }: Resources): void {
  if (Memory !== 0 && Memory < MINIMUM_MEMORY) throw invalid("Minimum memory limit allowed is 6MB");
  if (MemorySwap > 0 && Memory > 0 && MemorySwap < Memory) {
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (Memory === 0 && MemorySwap > 0)
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (MemoryReservation > 0 && MemoryReservation < MINIMUM_MEMORY)
    throw invalid("Minimum memory reservation allowed is 6MB");
  if (Memory > 0 && MemoryReservation > Memory) {
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (MemorySwappiness !== null && (MemorySwappiness < -1 || MemorySwappiness > 100)) {
    throw invalid(`Invalid value: ${MemorySwappiness}, valid memory swappiness range is 0-100`);
  }
}

function validateCpu(resources: Resources): void {
  const { NanoCpus, CpuPeriod, CpuQuota, CpusetCpus, CpusetMems, CpuShares } = resources;
  const { CpuRealtimePeriod, CpuRealtimeRuntime } = resources;
  const count = cpus().length;
  if (NanoCpus > 0 && CpuPeriod > 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (NanoCpus > 0 && CpuQuota > 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (NanoCpus < 0 || NanoCpus > count * 1e9) {
    throw invalid(`Range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
  }
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000)) {
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (CpuQuota > 0 && CpuQuota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (CpuShares < 0) throw invalid(`invalid CPU shares (${CpuShares}): value must be a positive integer`);
  if (CpuRealtimePeriod !== 0 && CpuRealtimeRuntime > CpuRealtimePeriod)
    throw invalid("cpu real-time runtime cannot be higher than cpu real-time period");
  for (const [name, text] of [
    ["cpuset cpus", CpusetCpus],
    ["cpuset mems", CpusetMems],
  ] as const) {
    if (text !== "" && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text))
      throw invalid(`Invalid value ${text} for ${name}`);
  }
  if (numbersIn(CpusetCpus).some((cpu) => cpu >= count)) {
    throw invalid(`Requested CPUs are not available - requested ${CpusetCpus}, available: 0-${count - 1}`);
  }
  const nodes = memoryNodes();
  const last = Math.max(...numbersIn(nodes));
  if (numbersIn(CpusetMems).some((node) => node > last)) {
    throw invalid(`Requested memory nodes are not available - requested ${CpusetMems}, available: ${nodes}`);
  }
}

/** Of a list as cpuset(7) has it: "0-2,4". */
const numbersIn = (list: string): number[] => list.split(/[,-]/).filter(Boolean).map(Number);

/** A kernel without NUMA has the one node 0. */
function memoryNodes(): string {
  const file = "/sys/devices/system/node/online";
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "0";
}

function validateBlockIo({ BlkioWeight, BlkioWeightDevice, ...throttles }: Resources): void {
  for (const weight of [BlkioWeight, ...(BlkioWeightDevice ?? []).map(({ Weight }) => Weight)]) {
    if (weight !== 0 && (weight < 10 || weight > 1000))
      throw invalid("Range of blkio weight is from 10 to 1000");
  }
  const rates = [
    ...(throttles.BlkioDeviceReadBps ?? []),
    ...(throttles.BlkioDeviceWriteBps ?? []),
    ...(throttles.BlkioDeviceReadIOps ?? []),
    ...(throttles.BlkioDeviceWriteIOps ?? []),
  ];
  for (const { Path, Rate } of rates)
    if (Rate < 0) throw invalid(`invalid rate for device: ${Path}:${Rate}. Rate must be a positive integer`);
}
