import { unsupported } from "../../errors/index.ts";
import type { ContainerConfig, HostConfig } from "../../wire/index.ts";

/** What a request can ask for that this version of the engine does not have: never ignored, refused in one sentence. */
const REFUSALS: readonly [asked: (host: HostConfig, config: ContainerConfig) => boolean, sentence: string][] =
  [
    [(host) => host.Init === true, "--init is not supported yet: run an init from the image"],
    [
      (host) => host.UsernsMode !== "" && host.UsernsMode !== "host",
      "--userns takes only host: this engine does not remap users yet",
    ],
    [
      (host) => (host.DeviceRequests ?? []).length > 0,
      'could not select device driver "" with capabilities: [[gpu]]',
    ],
    [(host) => (host.Links ?? []).length > 0, "links are not supported by this engine"],
    [
      (host) => host.Runtime !== "" && host.Runtime !== "gantry" && host.Runtime !== "runc",
      "unknown or invalid runtime name: this engine has the runtime gantry",
    ],
    [
      (host) => host.CpuRealtimePeriod !== 0 || host.CpuRealtimeRuntime !== 0,
      "real-time CPU limits are not supported by this engine",
    ],
    [
      (host) => Object.keys(host.StorageOpt ?? {}).length > 0,
      "--storage-opt is not supported: the overlay snapshotter has no quotas",
    ],
    [
      (host) => (host.BlkioWeightDevice ?? []).length > 0,
      "--blkio-weight-device is not supported by this engine",
    ],
    [
      (host) => host.VolumeDriver !== "" && host.VolumeDriver !== "local",
      "the only volume driver of this engine is local",
    ],
    [
      (host) => host.Isolation !== "" && host.Isolation !== "default",
      "invalid isolation: Linux has only the default one",
    ],
    [(_host, config) => isHealthcheck(config), "health checks are not supported yet: use --no-healthcheck"],
  ];

function isHealthcheck({ Healthcheck }: ContainerConfig): boolean {
  const [kind] = Healthcheck?.Test ?? [];
  return kind !== undefined && kind !== "NONE";
}

export function refuseUnsupported(host: HostConfig, config: ContainerConfig): void {
  for (const [asked, sentence] of REFUSALS) if (asked(host, config)) throw unsupported(sentence);
}
