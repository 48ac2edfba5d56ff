import type { PortMap } from "../wire/index.ts";

export type Protocol = "tcp" | "udp" | "sctp";

export type DriverName = "bridge" | "host" | "null" | "macvlan" | "ipvlan";

/** The addresses of a network in one family. */
export interface NetworkSubnet {
  readonly family: 4 | 6;
  /** "172.18.0.0/16" */
  readonly subnet: string;
  readonly gateway?: string;
  readonly ipRange?: string;
  readonly auxAddresses: Readonly<Record<string, string>>;
  /** Asked for by the user, and not cut from a pool. */
  readonly given: boolean;
}

/** One network, as it was made. */
export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly driver: DriverName;
  /** RFC 3339. */
  readonly created: string;
  /** bridge, host and none: there from the beginning, for ever. */
  readonly predefined: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly subnets: readonly NetworkSubnet[];
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** macvlan, ipvlan: the parent was made with the network and goes with it. */
  readonly ownsParent?: boolean;
}

/** What a container asks of one of its networks. */
export interface EndpointConfig {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly linkLocal: readonly string[];
  readonly mac?: string;
  readonly aliases: readonly string[];
  /** "CONTAINER:ALIAS" */
  readonly links: readonly string[];
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly gatewayPriority: number;
}

/** One container's place in one network. */
export interface EndpointRecord {
  readonly containerId: string;
  readonly networkId: string;
  readonly networkName: string;
  /** Order in which the container was given its networks. */
  readonly position: number;
  readonly config: EndpointConfig;
  /** While the container runs. */
  readonly live?: LiveEndpoint;
}

export interface LiveEndpoint {
  readonly endpointId: string;
  /** "eth0"; "" where the driver makes none. */
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  /** The end of a veth that stays with the host. */
  readonly hostInterface?: string;
  readonly mac: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** Names in the network; the first is told in reverse look-ups. */
  readonly names: readonly string[];
  /** It is being brought into a running container or taken out: a daemon that finds this has to finish it. */
  readonly settling?: true;
}

/** A port of the host that is a container's while it runs. */
export interface BoundPort {
  /** "" for all addresses. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly protocol: Protocol;
  readonly containerPort: number;
}

/** What a container asks of the network as a whole, at its start. */
export interface SandboxRequest {
  readonly containerId: string;
  readonly containerName: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly portBindings: PortMap;
  /** ExposedPorts of config and image, "80/tcp". */
  readonly exposedPorts: readonly string[];
  readonly publishAll: boolean;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly extraHosts: readonly string[];
  /** Legacy links of the default bridge, "CONTAINER:ALIAS". */
  readonly links: readonly string[];
  /** Host paths of the three files that are mounted into the container. */
  readonly files: { readonly resolvConf: string; readonly hosts: string; readonly hostname: string };
}

/** A running container's network namespace with all that is in it. */
export interface SandboxRecord extends SandboxRequest {
  readonly sandboxId: string;
  readonly ports: readonly BoundPort[];
  /** Where the name server listens in the namespace; absent without one. */
  readonly namesPort?: number;
}
