import { unsupported } from "../../errors/index.ts";
import type { ContainerConfig, HostConfig } from "../../wire/index.ts";

/** What a request can ask for that this version of the engine does not have: never ignored, refused in one sentence. */
const REFUSALS: readonly [
  asked: (host: HostConfig, config: ContainerConfig) => boolean,
  sentence: string | ((host: HostConfig) => string),
][] = [
  [
    (host) => host.VolumeDriver !== "" && host.VolumeDriver !== "local",
    "the only volume driver of this engine is local",
  ],
  [
    (host) => host.Isolation !== "" && host.Isolation !== "default",
    ({ Isolation }) => `invalid isolation: "${Isolation}" - linux only supports 'default'`,
  ],
];

export function refuseUnsupported(host: HostConfig, config: ContainerConfig): void {
  for (const [asked, sentence] of REFUSALS) {
    if (asked(host, config)) throw unsupported(typeof sentence === "string" ? sentence : sentence(host));
  }
}
