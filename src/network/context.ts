import type { NamesRelay } from "../dns/index.ts";
import type { EventLog } from "../events/index.ts";
import type { Firewall } from "../firewall/index.ts";
import type { Log } from "../log/index.ts";
import type { KeyedMutex } from "../platform/index.ts";
import type { Store } from "../store/index.ts";
import type { AddressBook } from "./address-book.ts";
import type { Drivers } from "./drivers/index.ts";
import type { SubnetPool } from "./ipam/index.ts";
import type { Zones } from "./names/zones.ts";
import type { HeldPorts } from "./published/index.ts";
import type { NetworkTable } from "./table.ts";

/** What an engine is told about its networks. */
export interface NetworkSettings {
  /** Ranges for networks without a subnet of their own; none = the built-in ones. */
  readonly addressPools: readonly SubnetPool[];
  /** Host address of published ports that name none; "" = all. */
  readonly defaultHostAddress: string;
  /**
   * Who decides whether a packet reaches a published port: "bypass" the engine's own translation alone, as with Docker;
   * "input" the host's rules for its own ports (INPUT), for which packets are carried by the daemon.
   */
  readonly publishFilter: "bypass" | "input";
  /** IPv6 on the default bridge: no, in a subnet of the pools, or in this one ("fd00:1::/64"). */
  readonly defaultBridgeIPv6: boolean | string;
}

/** What every use case of the networks takes as its first argument. */
export interface NetworkContext {
  readonly store: Store;
  readonly table: NetworkTable;
  readonly events: EventLog;
  readonly log: Log;
  readonly shimPath: string;
  readonly drivers: Drivers;
  readonly firewall: Firewall;
  readonly addresses: AddressBook;
  readonly held: HeldPorts;
  readonly zones: Zones;
  /** The name server's sockets; opened on first need. */
  readonly names: () => Promise<NamesRelay>;
  /** Whether a helper of an earlier daemon may still have sockets. */
  readonly namesRuns: () => boolean;
  readonly pools: readonly SubnetPool[];
  readonly settings: NetworkSettings;
  /** By network id; and "create" for the making of networks. */
  readonly locks: KeyedMutex;
}
