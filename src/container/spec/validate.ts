import { cpus } from "node:os";
import { invalid } from "../../errors/index.ts";
import { parseSignal } from "../../units/index.ts";
import type { ContainerConfig, HostConfig } from "../../wire/index.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { parseRlimits } from "./rlimits.ts";
import { parseSecurityOptions } from "./security.ts";
import { refuseUnsupported } from "./unsupported.ts";

const MINIMUM_MEMORY = 6 * 1024 * 1024;

/** Check a request as a whole. Throws invalid or unsupported in Docker's words; returns warnings for the client. */
export function validateHostConfig(host: HostConfig, config: ContainerConfig): string[] {
  refuseUnsupported(host, config);
  validateMemory(host);
  validateCpu(host);
  validateModes(host, config);
  capabilitiesOf(host);
  parseSecurityOptions(host);
  parseRlimits(host.Ulimits ?? []);
  if (config.StopSignal !== undefined && config.StopSignal !== "") parseSignal(config.StopSignal);
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    throw invalid(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (host.ShmSize < 0) throw invalid("SHM size can not be less than 0");
  if (host.BlkioWeight !== 0 && (host.BlkioWeight < 10 || host.BlkioWeight > 1000)) {
    throw invalid("Range of blkio weight is from 10 to 1000");
  }
  return host.OomKillDisable === true && host.Memory === 0
    ? [
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
      ]
    : [];
}

function validateMemory({ Memory, MemorySwap, MemoryReservation, MemorySwappiness }: HostConfig): void {
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

function validateCpu({ NanoCpus, CpuPeriod, CpuQuota, CpusetCpus, CpusetMems, CpuShares }: HostConfig): void {
  const count = cpus().length;
  if (NanoCpus > 0 && CpuPeriod > 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
  if (NanoCpus > 0 && CpuQuota > 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
  if (NanoCpus < 0 || NanoCpus > count * 1e9) {
    throw invalid(`Range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
  }
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000)) {
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (CpuQuota > 0 && CpuQuota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (CpuShares < 0) throw invalid(`invalid CPU shares (${CpuShares}): value must be a positive integer`);
  for (const [name, text] of [
    ["cpuset cpus", CpusetCpus],
    ["cpuset mems", CpusetMems],
  ] as const) {
    if (text !== "" && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text))
      throw invalid(`Invalid value ${text} for ${name}`);
  }
  const wanted = CpusetCpus.split(/[,-]/).filter((part) => part !== "");
  if (wanted.some((cpu) => Number(cpu) >= count)) {
    throw invalid(`Requested CPUs are not available - requested ${CpusetCpus}, available: 0-${count - 1}`);
  }
}

function validateModes(host: HostConfig, config: ContainerConfig): void {
  if (host.AutoRemove && !["", "no"].includes(host.RestartPolicy.Name)) {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  const { Name, MaximumRetryCount } = host.RestartPolicy;
  if (!["", "no", "always", "unless-stopped", "on-failure"].includes(Name)) {
    throw invalid(
      `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (MaximumRetryCount !== 0 && Name !== "on-failure") {
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (
    !["", "private", "host", "shareable", "none"].includes(host.IpcMode) &&
    !host.IpcMode.startsWith("container:")
  ) {
    throw invalid(`invalid IPC mode: ${host.IpcMode}`);
  }
  if (!["", "host"].includes(host.PidMode) && !host.PidMode.startsWith("container:"))
    throw invalid(`invalid PID mode: ${host.PidMode}`);
  if (!["", "host"].includes(host.UTSMode)) throw invalid(`invalid UTS mode: ${host.UTSMode}`);
  if (!["", "private", "host"].includes(host.CgroupnsMode))
    throw invalid(`invalid cgroup namespace mode: ${host.CgroupnsMode}`);
  if (host.UTSMode === "host" && config.Hostname !== "" && config.Domainname !== "") {
    throw invalid("conflicting options: domainname and the UTS mode");
  }
  for (const key of Object.keys(host.Sysctls ?? {})) validateSysctl(key, host);
  if (config.WorkingDir !== "" && !config.WorkingDir.startsWith("/")) {
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
}

/** Only what a namespace keeps apart from the host may be set. */
function validateSysctl(key: string, host: HostConfig): void {
  const ipc =
    /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..+)$/.test(key);
  const net = key.startsWith("net.");
  if (!/^[a-zA-Z0-9_./*-]+$/.test(key) || key.includes("..") || (!ipc && !net)) {
    throw invalid(
      `invalid sysctl '${key}': sysctl '${key}' is not allowed: it is not kept apart by a namespace`,
    );
  }
  if (net && host.NetworkMode === "host")
    throw invalid(`sysctl '${key}' not allowed in host network namespace`);
  if (ipc && host.IpcMode === "host") throw invalid(`sysctl '${key}' not allowed in host ipc namespace`);
}
