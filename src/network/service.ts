import type { Operation } from "../runtime/index.ts";
import type { EndpointSettings, PortMap } from "../wire/index.ts";

/**
 * Networks: what joins a container to the world. An *endpoint* is one container's place in one network: address,
 * MAC, veth, published ports. Allocation is a row written in the caller's transaction; the kernel's part is made by
 * `connect` and the operations it returns, and is released by `disconnect`. Both may be repeated.
 */
export interface NetworkService {
  /** Make bridges and packet rules agree with the rows; run at start. Safe to run at any time. */
  reconcile(liveContainers: ReadonlySet<string>): Promise<void>;

  /** Check a network mode and port bindings at create; throws Docker's words ("conflicting options: …", "invalid port …"). */
  validate(request: EndpointRequest): void;

  /**
   * Everything a start needs: allocates address and host ports (in a transaction of its own), adds the packet rules,
   * and gives the operations for the launch plan. Throws conflict/internal in Docker's words when a port is taken.
   * On failure nothing is kept.
   */
  connect(request: EndpointRequest): Promise<EndpointConnection>;
  /** After the container ended: withdraw rules and ports, free the address. No error when there is nothing. */
  disconnect(containerId: string): Promise<void>;

  /** What inspect and list show. Undefined when the container has no live endpoint. */
  describe(containerId: string): EndpointDescription | undefined;
  /** Bridge of the default network, such as gantry0, with its id for NetworkSettings. */
  defaultNetwork(): { id: string; name: string; bridge: string; subnet: string; gateway: string };
  [Symbol.asyncDispose](): Promise<void>;
}

export interface EndpointRequest {
  readonly containerId: string;
  readonly containerName: string;
  /** "bridge" (also for "" and "default"), "none", "host"; "container:x" never reaches this service. */
  readonly mode: "bridge" | "none" | "host";
  readonly hostname: string;
  readonly domainname: string;
  readonly portBindings: PortMap;
  /** ExposedPorts of config and image, "80/tcp". */
  readonly exposedPorts: readonly string[];
  readonly publishAll: boolean;
  readonly macAddress?: string;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly extraHosts: readonly string[];
  readonly settings?: Partial<EndpointSettings>;
}

export interface EndpointConnection {
  /** Operations of the link and container phases (netlink, sysctl). Empty for host. */
  readonly operations: readonly Operation[];
  /** Contents for the container's three files. */
  readonly resolvConf: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly description: EndpointDescription;
}

export interface EndpointDescription {
  readonly networkName: string;
  readonly settings: EndpointSettings;
  /** NetworkSettings.Ports: bound and exposed ones. */
  readonly ports: PortMap;
  readonly sandboxId: string;
}
