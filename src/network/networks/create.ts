import { conflict, forbidden, invalid, notFound } from "../../errors/index.ts";
import { randomHex } from "../../platform/index.ts";
import {
  formatIp,
  formatPrefix,
  type IpPrefix,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
} from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import { interfaceIndex } from "../drivers/index.ts";
import { freeSubnet, hostPrefixes } from "../ipam/index.ts";
import { notifyNetwork } from "../notify.ts";
import type { DriverName, NetworkRecord, NetworkSubnet } from "../record.ts";
import type { NetworkCreateRequest } from "../service.ts";

const RESERVED_NAMES = new Set(["bridge", "host", "none", "default"]);
const DRIVERS: ReadonlySet<string> = new Set(["bridge", "host", "null", "macvlan", "ipvlan"]);

/**
 * Make a network: row, device, packet rules. Throws invalid, conflict, forbidden or not-found in Docker's words; then
 * nothing is kept.
 */
export async function createNetwork(
  context: NetworkContext,
  request: NetworkCreateRequest,
): Promise<{ id: string; warning: string }> {
  const { name } = request;
  if (RESERVED_NAMES.has(name)) throw forbidden(`operation is not permitted on predefined ${name} network`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name))
    throw invalid(
      name.trim() === ""
        ? "invalid network name: name is empty"
        : `invalid network name: ${name}: only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  using _lock = await context.locks.acquire("create");
  if (context.table.networks().some((network) => network.name === name))
    throw conflict(`network with name ${name} already exists`);
  const driver = driverOf(request.driver);
  if (!request.enableIPv4 && !request.enableIPv6) throw invalid("IPv4 or IPv6 must be enabled");
  const network: NetworkRecord = {
    id: randomHex(32),
    name,
    driver,
    created: new Date().toISOString(),
    predefined: false,
    internal: request.internal,
    attachable: request.attachable,
    enableIPv4: request.enableIPv4,
    enableIPv6: request.enableIPv6,
    subnets: context.drivers[driver].hasAddresses ? subnetsOf(context, request) : [],
    ipamOptions: request.ipam.options,
    options: request.options,
    labels: request.labels,
    ...ownParent(driver, request),
  };
  context.drivers[driver].validate(network);
  refuseSharedDevice(context, network);
  await installNetwork(context, network);
  notifyNetwork(context, network, "create");
  return { id: network.id, warning: "" };
}

/** Row first, device and rules then; what is there is taken back when the kernel refuses. */
export async function installNetwork(context: NetworkContext, network: NetworkRecord): Promise<void> {
  const driver = context.drivers[network.driver];
  await using undo = new AsyncDisposableStack();
  context.table.insertNetwork(network);
  undo.defer(() => context.table.deleteNetwork(network.id));
  context.addresses.open(network);
  undo.defer(() => context.addresses.close(network.id));
  undo.defer(() => driver.remove(network));
  await driver.ensure(network);
  const filtered = driver.filtered(network);
  if (filtered !== undefined) await context.firewall.addNetwork(filtered);
  undo.move();
}

function driverOf(text: string): DriverName {
  const name = text === "" || text === "default" ? "bridge" : text;
  if (!DRIVERS.has(name))
    throw notFound(`could not find plugin ${name} in v2 plugin registry: plugin not found`);
  return name as DriverName;
}

function ownParent(driver: DriverName, { options, internal }: NetworkCreateRequest) {
  if (driver !== "macvlan" && driver !== "ipvlan") return {};
  return { ownsParent: internal || !options.parent || interfaceIndex(options.parent) === undefined };
}

function refuseSharedDevice({ table, drivers }: NetworkContext, network: NetworkRecord): void {
  const device = drivers[network.driver].deviceOf(network);
  const other = table
    .networks()
    .find(
      (one) => one.id !== network.id && device !== undefined && drivers[one.driver].deviceOf(one) === device,
    );
  if (other === undefined || network.driver !== other.driver) return;
  throw forbidden(
    network.driver === "bridge"
      ? `network ${network.id} (${device}): conflicts with network ${other.id} (${device}): networks have same bridge name`
      : `network ${other.name} is already using parent interface ${device}`,
  );
}

/** The subnets of a request, and those that are cut from the pools for a family without one. */
function subnetsOf(context: NetworkContext, request: NetworkCreateRequest): NetworkSubnet[] {
  const given = request.ipam.config.flatMap((config) => checkSubnet(config));
  if (request.ipam.driver !== "" && request.ipam.driver !== "default" && request.ipam.driver !== "null")
    throw notFound(`could not find plugin ${request.ipam.driver} in v2 plugin registry: plugin not found`);
  const taken = context.table
    .networks()
    .flatMap(({ subnets }) => subnets.flatMap(({ subnet }) => parsePrefix(subnet) ?? []));
  return ([4, 6] as const).flatMap((family) => {
    if (!(family === 4 ? request.enableIPv4 : request.enableIPv6)) return [];
    const own = given.filter((subnet) => subnet.family === family);
    if (own.length > 1)
      throw invalid(`${request.driver || "bridge"} driver doesn't support multiple IPv${family} subnets`);
    const [first] = own;
    if (first === undefined) {
      const subnet = freeSubnet(context.pools, family, [...taken, ...hostPrefixes()]);
      return [withGateway({ family, subnet: formatPrefix(subnet), auxAddresses: {}, given: false }, subnet)];
    }
    const prefix = parsePrefix(first.subnet);
    if (prefix === undefined) return [];
    if (taken.some((other) => prefixesOverlap(other, prefix)))
      throw forbidden("invalid pool request: Pool overlaps with other one on this address space");
    return [withGateway(first, prefix)];
  });
}

/** Without a gateway of the user's it is the first address, or the first of the range. */
function withGateway(subnet: NetworkSubnet, prefix: IpPrefix): NetworkSubnet {
  if (subnet.gateway !== undefined) return subnet;
  const aux = new Set(Object.values(subnet.auxAddresses));
  const base = parsePrefix(subnet.ipRange ?? "") ?? prefix;
  let value = base.base === prefix.base ? base.base + 1n : base.base;
  while (aux.has(formatIp({ family: subnet.family, value }))) value++;
  return { ...subnet, gateway: formatIp({ family: subnet.family, value }) };
}

type IpamConfig = NetworkCreateRequest["ipam"]["config"][number];

const wrong = (...sentences: string[]) => invalid(`invalid network config:\n${sentences.join("\n")}`);

/** One entry of IPAM.Config. Throws invalid in Docker's words. */
function checkSubnet({ subnet, gateway, ipRange, auxAddresses }: IpamConfig): NetworkSubnet[] {
  if (subnet === "") {
    if (gateway !== "" || ipRange !== "" || Object.keys(auxAddresses).length > 0)
      throw wrong("a gateway, an IP range or auxiliary addresses need a subnet");
    return [];
  }
  const prefix = parsePrefix(subnet);
  if (prefix === undefined) throw wrong(`invalid subnet ${subnet}: invalid CIDR block notation`);
  if (formatPrefix(prefix) !== subnet) {
    const [address = "", length = ""] = subnet.split("/");
    const parsed = parseIp(address);
    if (parsed === undefined || parsed.value !== prefix.base || Number(length) !== prefix.length)
      throw wrong(`invalid subnet ${subnet}: it should be ${formatPrefix(prefix)}`);
  }
  const inside = (what: string, text: string) => {
    const address = parseIp(text);
    if (address === undefined) throw wrong(`invalid ${what} ${text}: invalid address`);
    if (!prefixContains(prefix, address))
      throw wrong(`invalid ${what} ${text}: parent subnet doesn't contain this address`);
    return formatIp(address);
  };
  const range = ipRange === "" ? undefined : parsePrefix(ipRange);
  if (ipRange !== "" && range === undefined)
    throw wrong(`invalid ip-range ${ipRange}: invalid CIDR block notation`);
  if (range !== undefined && !prefixContains(prefix, { family: range.family, value: range.base }))
    throw wrong(`invalid ip-range ${ipRange}: it should be within ${formatPrefix(prefix)}`);
  return [
    {
      family: prefix.family,
      subnet: formatPrefix(prefix),
      ...(gateway === "" ? {} : { gateway: inside("gateway", gateway.replace(/\/\d+$/, "")) }),
      ...(range === undefined ? {} : { ipRange: formatPrefix(range) }),
      auxAddresses: Object.fromEntries(
        Object.entries(auxAddresses).map(([name, address]) => [
          name,
          inside(`auxiliary address ${name}`, address),
        ]),
      ),
      given: true,
    },
  ];
}
