import type { DriverName } from "../record.ts";
import { createAloneDriver } from "./alone.ts";
import { createBridgeDriver } from "./bridge.ts";
import type { DriverOptions, NetworkDriver } from "./driver.ts";
import { createVlanDriver } from "./vlan.ts";

export { gatewayMode } from "./bridge.ts";
export { type LinkPlan, type NetworkDriver, OPTION, subnetOf } from "./driver.ts";
export { interfaceIndex, masterIndex, randomMac, removeInterface } from "./host-side.ts";

export type Drivers = Readonly<Record<DriverName, NetworkDriver>>;

export const createDrivers = (options: DriverOptions): Drivers => ({
  bridge: createBridgeDriver(options),
  host: createAloneDriver("host"),
  null: createAloneDriver("null"),
  macvlan: createVlanDriver("macvlan", options),
  ipvlan: createVlanDriver("ipvlan", options),
});
