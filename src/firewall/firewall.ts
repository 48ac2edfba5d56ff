import type { IpFamily } from "../units/index.ts";

/** A port of the host that leads to a container. */
export interface PublishedPort {
  readonly family: IpFamily;
  /** "" for every address of the host. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly containerAddress: string;
  readonly containerPort: number;
}

/** A container's port that may be reached at the container's own address, in a network that is routed. */
export type OpenPort = Pick<PublishedPort, "family" | "protocol" | "containerAddress" | "containerPort">;

/** How a network's addresses of one family meet the world (Docker's gateway modes). */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

/** A bridge whose packets are filtered. */
export interface FilteredNetwork {
  readonly bridge: string;
  readonly subnets: readonly {
    readonly family: IpFamily;
    /** "172.18.0.0/16" */
    readonly subnet: string;
    readonly mode: GatewayMode;
    /** Packets that leave get the host's address. */
    readonly masquerade: boolean;
  }[];
  /** No way out of it and none into it. */
  readonly internal: boolean;
  /** Its containers may talk to each other (other than by published ports). */
  readonly interContainer: boolean;
}

/** Everything that the packet rules are made from. */
export interface RuleSet {
  readonly networks: readonly FilteredNetwork[];
  readonly published: readonly PublishedPort[];
  readonly open: readonly OpenPort[];
}

/** A rule as a person reads it. */
export interface ExplainedRule {
  /** Where it stands: "nat postrouting". */
  readonly chain: string;
  /** In the language of the program that sets it. */
  readonly rule: string;
}

/**
 * The engine's packet rules: containers reach out behind the host's address, networks do not reach each other,
 * published ports lead in, everything else from outside is dropped. All of it lives under the engine's own name and
 * nothing else is touched. Changes are made one after the other. When others remove the rules they are put back.
 */
export interface Firewall extends AsyncDisposable {
  /** Put the whole rule set in place of whatever is there, in one step. Safe to repeat. */
  replace(rules: RuleSet): Promise<void>;
  addNetwork(network: FilteredNetwork): Promise<void>;
  removeNetwork(bridge: string): Promise<void>;
  publish(ports: readonly PublishedPort[], open?: readonly OpenPort[]): Promise<void>;
  withdraw(ports: readonly PublishedPort[], open?: readonly OpenPort[]): Promise<void>;
  /** The rules that a packet to or from one network's container meets, in order. */
  explain(rules: RuleSet): ExplainedRule[];
  /** Remove every rule of the engine. */
  remove(): Promise<void>;
}
