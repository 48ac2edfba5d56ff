import { conflict, invalid } from "../errors/index.ts";
import type { AttachRequest, SandboxRequest } from "../network/index.ts";
import type { HostConfig } from "../wire/index.ts";
import type { ContainerFiles } from "./launch-planner.ts";
import type { ContainerRecord } from "./record.ts";

/** A container has networks of its own (none and host are among them), or another container's. */
export type NetworkMode =
  | { readonly kind: "networks"; readonly main: string }
  | { readonly kind: "container"; readonly reference: string };

export function networkModeOf({ NetworkMode: mode }: Pick<HostConfig, "NetworkMode">): NetworkMode {
  if (mode.startsWith("container:")) return { kind: "container", reference: mode.slice("container:".length) };
  return { kind: "networks", main: mode === "" || mode === "default" ? "bridge" : mode };
}

/** What goes not together with another container's network, or the host's. Throws invalid in Docker's words. */
export function validateNetworkMode({ definition }: ContainerRecord, hostnameGiven: boolean): void {
  const { config, hostConfig: host } = definition;
  const mode = networkModeOf(host);
  const refuse = (what: string) => invalid(`conflicting options: ${what}`);
  const links = (host.Links ?? []).length > 0;
  if (mode.kind === "networks") {
    if (mode.main === "host" && links)
      throw refuse("host type networking can't be used with links. This would result in undefined behavior");
    return;
  }
  const [what] = [
    ...(hostnameGiven ? ["hostname and the network mode"] : []),
    ...(links
      ? ["container type network can't be used with links. This would result in undefined behavior"]
      : []),
    ...(host.Dns.length + host.DnsSearch.length + host.DnsOptions.length > 0
      ? ["dns and the network mode"]
      : []),
    ...((host.ExtraHosts ?? []).length > 0 ? ["custom host-to-IP mapping and the network mode"] : []),
    ...(config.MacAddress ? ["mac-address and the network mode"] : []),
    ...(Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts
      ? ["port publishing and the container type network mode"]
      : []),
    ...(Object.keys(config.ExposedPorts ?? {}).length > 0 && hostnameGiven
      ? ["port exposing and the container type network mode"]
      : []),
  ];
  if (what !== undefined) throw refuse(what);
}

/** What of a container to be made concerns its networks. */
export function attachRequest(record: ContainerRecord, mode: string): AttachRequest {
  const { config, hostConfig, networkingConfig } = record.definition;
  return {
    containerId: record.id,
    mode,
    endpoints: networkingConfig.EndpointsConfig,
    ...(config.MacAddress ? { mac: config.MacAddress } : {}),
    links: hostConfig.Links ?? [],
    portBindings: hostConfig.PortBindings,
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    extraHosts: hostConfig.ExtraHosts ?? [],
    dns: hostConfig.Dns,
  };
}

/** What of a container concerns its networks at its start. */
export function sandboxRequest(record: ContainerRecord, files: ContainerFiles): SandboxRequest {
  const { config, hostConfig } = record.definition;
  return {
    containerId: record.id,
    containerName: record.name,
    hostname: config.Hostname,
    domainname: config.Domainname,
    portBindings: hostConfig.PortBindings,
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    publishAll: hostConfig.PublishAllPorts,
    dns: hostConfig.Dns,
    dnsSearch: hostConfig.DnsSearch,
    dnsOptions: hostConfig.DnsOptions,
    extraHosts: hostConfig.ExtraHosts ?? [],
    links: hostConfig.Links ?? [],
    files: { resolvConf: files.resolvConf, hosts: files.hosts, hostname: files.hostname },
  };
}

/** Throws conflict for a container whose networks are another one's. */
export function requireOwnNetworks({ definition }: ContainerRecord): void {
  if (networkModeOf(definition.hostConfig).kind === "container")
    throw conflict(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
}
