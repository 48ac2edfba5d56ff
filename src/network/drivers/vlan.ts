import { randomInt } from "node:crypto";
import { internal, invalid, unsupported } from "../../errors/index.ts";
import {
  createDummy,
  createIpvlan,
  createMacvlan,
  createVethPair,
  createVlan,
  deleteLink,
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  linkUp,
  MACVLAN_MODES,
  type MessageForPid,
  type PeerLink,
  requestRoute,
  withPid,
} from "../../netlink/index.ts";
import { randomHex } from "../../platform/index.ts";
import type { NetworkRecord } from "../record.ts";
import { mtuOf } from "./bridge.ts";
import { type DriverOptions, type NetworkDriver, subnetOf } from "./driver.ts";
import { ensureLink, interfaceIndex, randomMac, removeInterface, requireInterface } from "./host-side.ts";

/** "eth0.50": VLAN 50 of eth0, made when it is not there. */
const VLAN_PARENT = /^(.+)\.(\d{1,4})$/;

/** Links on an interface of the host, without a bridge: macvlan with MACs of their own, ipvlan with the parent's. */
export function createVlanDriver(driver: "macvlan" | "ipvlan", { shimPath }: DriverOptions): NetworkDriver {
  /** Without a parent, or when internal: a link that leads nowhere. */
  const parentOf = ({ id, options, internal }: NetworkRecord) =>
    internal || !options.parent ? `dm-${id.slice(0, 12)}` : options.parent;
  const isOwn = (network: NetworkRecord) =>
    parentOf(network).startsWith("dm-") || network.ownsParent === true;

  async function makeParent(parent: string): Promise<void> {
    const [, base = "", vlan = ""] = VLAN_PARENT.exec(parent) ?? [];
    if (base === "") await makeUnconnected(parent);
    else await ensureLink(shimPath, parent, createVlan(parent, requireInterface(base), Number(vlan)));
    await requestRoute({ shimPath }, [linkUp(requireInterface(parent))]);
  }

  /** A link that leads nowhere and yet is up: a dummy, or, where the kernel has none, a veth with both ends here. */
  async function makeUnconnected(name: string): Promise<void> {
    const [failure] = await requestRoute({ shimPath }, [createDummy(name)]);
    if (failure === undefined) return;
    if (failure !== "EOPNOTSUPP")
      throw internal(`the network interface ${name} could not be made: ${failure}`);
    const other = `dx${name.slice(2)}`;
    await ensureLink(shimPath, name, createVethPair(name, other));
    await requestRoute({ shimPath }, [linkUp(requireInterface(other))]);
  }

  /** Make a link on the parent and remove it: what the kernel cannot do is said now, and not at a container's start. */
  async function tryLink(network: NetworkRecord): Promise<void> {
    const index = randomInt(0x1000_0000, 0x4000_0000);
    const { create } = linkTo(network, { name: `gp${randomHex(5)}`, index, mac: randomMac(), mtu: 0 });
    const [failure] = await requestRoute({ shimPath }, [withPid(create, process.pid), deleteLink(index)]);
    if (failure === "EOPNOTSUPP") throw unsupported(`the kernel of this machine has no ${driver} links`);
    if (failure !== undefined)
      throw invalid(`${parentOf(network)} cannot be the parent of ${driver} links: ${failure}`);
  }

  function linkTo(network: NetworkRecord, peer: PeerLink): { create: MessageForPid } {
    const parent = requireInterface(parentOf(network));
    const own = { ...peer, mtu: mtuOf(network) };
    const mode = modeOf(driver, network);
    return {
      create:
        mode.kind === "macvlan"
          ? createMacvlan(parent, own, mode.mode)
          : createIpvlan(parent, own, mode.mode, mode.flag),
    };
  }

  return {
    name: driver,
    hasAddresses: true,
    publishes: false,
    hasHostEnd: false,
    ownsGateway: false,
    deviceOf: parentOf,
    validate(network) {
      modeOf(driver, network);
      const { parent } = network.options;
      if (parent === undefined || parent === "" || network.internal) return;
      if (interfaceIndex(parent) !== undefined) return;
      const [, base = "", vlan = ""] = VLAN_PARENT.exec(parent) ?? [];
      if (base === "" || interfaceIndex(base) === undefined || Number(vlan) < 1 || Number(vlan) > 4094)
        throw invalid(`invalid subinterface vlan name ${parent}, example formatting is eth0.10`);
    },
    async ensure(network) {
      const parent = parentOf(network);
      if (interfaceIndex(parent) === undefined) await makeParent(parent);
      await tryLink(network);
    },
    async remove(network) {
      if (isOwn(network)) await removeInterface(shimPath, parentOf(network));
    },
    link: (network, peer) => ({ ...linkTo(network, peer), afterwards: [] }),
    gateway(network, family) {
      const mode = modeOf(driver, network);
      // Layer 3 has no neighbours to ask: everything goes out of the link.
      if (mode.kind === "ipvlan" && mode.mode !== "l2")
        return subnetOf(network, family) === undefined ? undefined : "device";
      return network.internal ? undefined : subnetOf(network, family)?.gateway;
    },
    filtered: () => undefined,
  };
}

type Mode =
  | { readonly kind: "macvlan"; readonly mode: keyof typeof MACVLAN_MODES }
  | {
      readonly kind: "ipvlan";
      readonly mode: keyof typeof IPVLAN_MODES;
      readonly flag: keyof typeof IPVLAN_FLAGS;
    };

function modeOf(driver: "macvlan" | "ipvlan", { options }: NetworkRecord): Mode {
  const unknown = (mode: string) => invalid(`unknown ${driver} mode: ${mode}`);
  if (driver === "macvlan") {
    const mode = options.macvlan_mode || "bridge";
    if (!isKey(MACVLAN_MODES, mode)) throw unknown(mode);
    return { kind: driver, mode };
  }
  const mode = options.ipvlan_mode || "l2";
  const flag = options.ipvlan_flag || "bridge";
  if (!isKey(IPVLAN_MODES, mode)) throw unknown(mode);
  if (!isKey(IPVLAN_FLAGS, flag)) throw invalid(`unknown ipvlan flag: ${flag}`);
  return { kind: driver, mode, flag };
}

const isKey = <T extends object>(object: T, key: PropertyKey): key is keyof T => Object.hasOwn(object, key);
