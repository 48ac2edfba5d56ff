import { unsupported } from "../errors/index.ts";
import type { EndpointRequest } from "../network/index.ts";
import type { HostConfig } from "../wire/index.ts";
import type { ContainerRecord } from "./record.ts";

/** The four network modes: three kinds that a network serves, and one that joins another container's. */
export type NetworkMode =
  | { readonly kind: "bridge" | "host" | "none" }
  | { readonly kind: "container"; readonly reference: string };

/** Throws unsupported for the name of a user-defined network, which this version of the engine cannot make. */
export function networkModeOf(hostConfig: HostConfig): NetworkMode {
  const mode = hostConfig.NetworkMode;
  if (mode === "" || mode === "default" || mode === "bridge") return { kind: "bridge" };
  if (mode === "host" || mode === "none") return { kind: mode };
  if (mode.startsWith("container:")) return { kind: "container", reference: mode.slice("container:".length) };
  throw unsupported(`network ${mode} not found: this engine has the networks bridge, host and none`);
}

export function endpointRequest(record: ContainerRecord, mode: "bridge" | "host" | "none"): EndpointRequest {
  const { config, hostConfig, networkingConfig } = record.definition;
  const settings = networkingConfig.EndpointsConfig[hostConfig.NetworkMode];
  const macAddress = settings?.MacAddress || config.MacAddress;
  return {
    containerId: record.id,
    containerName: record.name,
    mode,
    hostname: config.Hostname,
    domainname: config.Domainname,
    portBindings: hostConfig.PortBindings,
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    publishAll: hostConfig.PublishAllPorts,
    dns: hostConfig.Dns,
    dnsSearch: hostConfig.DnsSearch,
    dnsOptions: hostConfig.DnsOptions,
    extraHosts: hostConfig.ExtraHosts ?? [],
    ...(macAddress ? { macAddress } : {}),
    ...(settings === undefined ? {} : { settings }),
  };
}
