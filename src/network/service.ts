import type { Operation } from "../runtime/index.ts";
import type { EndpointSettings, Filters, NetworkInspect, PortMap } from "../wire/index.ts";
import type { BoundPort, SandboxRequest } from "./record.ts";

/**
 * Networks: what joins containers to each other and to the world. An *endpoint* is one container's place in one
 * network; a *sandbox* is a running container's network namespace with all its endpoints and published ports.
 *
 * Rows come first: an address or a port is a row before anything of it exists in the kernel, and `reconcile` makes the
 * two agree. A network is named everywhere by its name, its id, or an unambiguous beginning of its id.
 */
export interface NetworkService {
  /** Throws conflict for a taken name, forbidden for overlaps and empty pools, invalid for options that make no sense. */
  create(request: NetworkCreateRequest): Promise<{ id: string; warning: string }>;
  list(filters: Filters): NetworkInspect[];
  /** Throws not-found "network x not found". */
  inspect(reference: string): NetworkInspect;
  /** Throws forbidden for predefined networks and those with running containers. */
  remove(reference: string): Promise<void>;
  /** Removes networks without containers; gives their names. */
  prune(filters: Filters): Promise<string[]>;
}

/** What the service of containers needs of the networks. */
export interface ContainerNetworks extends NetworkService {
  /**
   * Check what a container to be made asks for; throws Docker's words. The result writes its endpoints' rows and is
   * called in the transaction that makes the container.
   */
  prepare(request: AttachRequest): () => void;
  /** In the transaction that removes a container: forget its endpoints. */
  forget(containerId: string): void;
  /** The container is called differently now. */
  rename(containerId: string, name: string): void;

  /** Everything a start needs; gives the operations for the launch plan. On failure nothing is kept. */
  open(request: SandboxRequest): Promise<readonly Operation[]>;
  /** Between the making of a container's process and its run: what needs its namespace. */
  enter(containerId: string, pid: number): Promise<void>;
  /** After the container ended. No error when there is nothing. */
  close(containerId: string): Promise<void>;

  /** Bring a container into a network; `pid` when it runs. Throws forbidden when it is in it already. */
  connect(
    containerId: string,
    reference: string,
    settings: Partial<EndpointSettings>,
    pid: number | undefined,
  ): Promise<void>;
  /** Take it out. Throws forbidden when it is not in it. */
  disconnect(containerId: string, reference: string, pid: number | undefined): Promise<void>;
  /** Forget a container that is no more (`disconnect --force`). Gives whether there was anything. */
  disconnectLost(reference: string, containerReference: string): boolean;
  /** Publish or withdraw ports of a running container. Gives all that are bound now. */
  changePorts(containerId: string, change: PortChange): Promise<void>;

  describe(containerId: string): SandboxDescription;
  /** The ways of a running container's packets to the world and back. */
  explain(containerId: string): NetworkPath[];
  /** The same of a container that would be started now, with the operations that would make them. Nothing is kept. */
  preview(
    attach: AttachRequest,
    request: SandboxRequest,
  ): { operations: readonly Operation[]; paths: NetworkPath[] };
  /** One sentence for each port that is open to everybody who reaches the machine, past the host's own rules. */
  openPortWarnings(): string[];
  /** Make kernel and rows agree; run at start. `live` are the running containers with the pids of their processes. */
  reconcile(live: ReadonlyMap<string, number>): Promise<void>;
  /** After it: forget the endpoints of what is no container any more, such as steps of builds that a crash ended. */
  forgetUnknown(known: ReadonlySet<string>): void;
}

export interface NetworkCreateRequest {
  readonly name: string;
  /** "" = bridge. */
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly ipam: {
    readonly driver: string;
    readonly options: Readonly<Record<string, string>>;
    readonly config: readonly {
      readonly subnet: string;
      readonly gateway: string;
      readonly ipRange: string;
      readonly auxAddresses: Readonly<Record<string, string>>;
    }[];
  };
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface AttachRequest {
  readonly containerId: string;
  /** The network of HostConfig.NetworkMode. */
  readonly mode: string;
  /** EndpointsConfig: settings by network. */
  readonly endpoints: Readonly<Record<string, Partial<EndpointSettings>>>;
  /** MAC of Config, for the first network. */
  readonly mac?: string;
  /** `--link`, "CONTAINER:ALIAS": on the first network, when that is a user's. */
  readonly links: readonly string[];
  readonly portBindings: PortMap;
  readonly exposedPorts: readonly string[];
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
}

export interface PortChange {
  readonly add: PortMap;
  /** Container ports, "80/tcp"; with host ports where only some are meant. */
  readonly remove: PortMap;
  /** Everything that the container asks for afterwards. */
  readonly bindings: PortMap;
}

/** One station on the way of a packet from a container to the world. */
export interface NetworkHop {
  readonly where: "container" | "host";
  readonly what: "interface" | "veth" | "bridge" | "parent" | "rule" | "port";
  readonly name: string;
  readonly detail: string;
}

/** A container's way out through one of its networks, and of others in. */
export interface NetworkPath {
  readonly network: string;
  readonly driver: string;
  readonly hops: readonly NetworkHop[];
}

export interface SandboxDescription {
  /** "" while it does not run. */
  readonly sandboxId: string;
  /** By name, in the order in which the container was given them. */
  readonly networks: Readonly<Record<string, EndpointSettings>>;
  /** NetworkSettings.Ports: bound and exposed ones. */
  readonly ports: PortMap;
  readonly bound: readonly BoundPort[];
}
