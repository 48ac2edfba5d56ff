import { invalid } from "../../errors/index.ts";
import { parseSignal } from "../../units/index.ts";
import type { ContainerConfig, HostConfig, RestartPolicy } from "../../wire/index.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { devicesOf } from "./devices.ts";
import { parseRlimits } from "./rlimits.ts";
import { parseSecurityOptions } from "./security.ts";
import { refuseUnsupported } from "./unsupported.ts";
import { validateModes } from "./validate-modes.ts";
import { validateResources } from "./validate-resources.ts";

/** Check a request as a whole. Throws invalid or unsupported in Docker's words; returns warnings for the client. */
export function validateHostConfig(host: HostConfig, config: ContainerConfig): string[] {
  refuseUnsupported(host, config);
  validateResources(host);
  validateModes(host, config);
  validateRestartPolicy(host.RestartPolicy);
  if (host.AutoRemove && !["", "no"].includes(host.RestartPolicy.Name))
    throw invalid("can't create 'AutoRemove' container with restart policy");
  capabilitiesOf(host);
  const { warnings } = parseSecurityOptions(host);
  parseRlimits(host.Ulimits ?? []);
  devicesOf({ ...host, Devices: null });
  if (config.StopSignal !== undefined && config.StopSignal !== "") parseSignal(config.StopSignal);
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    throw invalid(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (host.ShmSize < 0) throw invalid("SHM size can not be less than 0");
  if (config.WorkingDir !== "" && !config.WorkingDir.startsWith("/")) {
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  return [
    ...warnings,
    ...(host.OomKillDisable === true && host.Memory === 0 ? [OOM_KILLER_DISABLED] : []),
    ...(host.NetworkMode === "host" && Object.keys(host.PortBindings).length > 0 ? [PORTS_DISCARDED] : []),
  ];
}

const OOM_KILLER_DISABLED =
  "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.";
const PORTS_DISCARDED = "Published ports are discarded when using host network mode";

export function validateRestartPolicy({ Name, MaximumRetryCount }: RestartPolicy): void {
  if (!["", "no", "always", "unless-stopped", "on-failure"].includes(Name)) {
    throw invalid(
      `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (MaximumRetryCount !== 0 && Name !== "on-failure") {
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (MaximumRetryCount < 0) throw invalid("invalid restart policy: maximum retry count cannot be negative");
}
