import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { EngineError, errnoOf, internal } from "../errors/index.ts";
import type { Firewall, PublishedPort } from "../firewall/index.ts";
import {
  addAddress,
  addDefaultRoute,
  createVeth,
  LOOPBACK_INDEX,
  linkUp,
  NETLINK_ROUTE,
} from "../netlink/index.ts";
import { randomHex } from "../platform/index.ts";
import type { Operation } from "../runtime/index.ts";
import type { Store } from "../store/index.ts";
import type { EndpointSettings, PortMap } from "../wire/index.ts";
import {
  AddressAllocator,
  formatSubnet,
  freeSubnet,
  hostSubnets,
  parseSubnet,
  type Subnet,
  toAddress,
} from "./addresses.ts";
import { ensureBridge, randomMac, removeInterface } from "./bridge.ts";
import { hostsFile, resolvConf } from "./files.ts";
import { type HeldPort, holdPort } from "./held-port.ts";
import { type PortRequest, parsePortKey, parsePorts } from "./ports.ts";
import type { EndpointRequest, NetworkService } from "./service.ts";
import { type BoundPort, createNetworkTable, type Endpoint } from "./table.ts";

export interface NetworkServiceOptions {
  readonly store: Store;
  readonly shimPath: string;
  /** The bridge is NAME0, the packet table NAME. */
  readonly name: string;
  readonly createFirewall: (where: { table: string; bridge: string; subnet: string }) => Firewall;
}

/** The service with what only the composition calls. */
export interface OwnedNetworkService extends NetworkService {
  /** Remove bridge and packet rules: for uninstalling, and for tests. */
  teardown(): Promise<void>;
}

const MTU = 1500;
/** Of eth0 in its namespace; above whatever fallback devices a kernel puts into new namespaces. */
const PEER_INDEX = 10;

export function createNetworkService({
  store,
  shimPath,
  name,
  createFirewall,
}: NetworkServiceOptions): OwnedNetworkService {
  const table = createNetworkTable(store);
  const bridge = `${name}0`;
  const networks = {
    bridge: networkRow("bridge", true),
    host: networkRow("host", false),
    none: networkRow("none", false),
  };
  const subnet = parseSubnet(networks.bridge.subnet ?? "");
  const gateway = toAddress(subnet.base + 1);
  const addresses = new AddressAllocator(subnet);
  const firewall = createFirewall({ table: name, bridge, subnet: formatSubnet(subnet) });
  const held = new Map<string, HeldPort[]>();
  let bridgeIndex = 0;

  function networkRow(network: string, hasSubnet: boolean) {
    const known = table.findNetwork(network);
    if (known !== undefined) return known;
    const row = {
      name: network,
      id: randomHex(32),
      subnet: hasSubnet ? formatSubnet(freeSubnet(hostSubnets())) : undefined,
    };
    table.insertNetwork(row);
    return row;
  }

  async function hold(
    request: PortRequest,
    address: string,
    containerName: string,
    endpointId: string,
  ): Promise<{ held: HeldPort; bound: BoundPort }> {
    const { hostAddress, range, protocol, containerPort } = request;
    const target = { address, port: containerPort };
    let failure: unknown;
    for (let port = range?.first ?? 0; port <= (range?.last ?? 0); port++) {
      if (port !== 0 && isAllocated(hostAddress, port, protocol)) {
        failure = new EngineError(
          "internal",
          `Bind for ${hostAddress || "0.0.0.0"}:${port} failed: port is already allocated`,
        );
        continue;
      }
      try {
        const socket = await holdPort(protocol, hostAddress, port, target);
        return { held: socket, bound: { hostAddress, hostPort: socket.port, protocol, containerPort } };
      } catch (error) {
        failure =
          errnoOf(error) === "EADDRINUSE"
            ? new EngineError(
                "internal",
                `failed to bind host port for ${hostAddress || "0.0.0.0"}:${port}:${address}:${containerPort}/${protocol}: address already in use`,
              )
            : error;
      }
    }
    const why = failure instanceof Error ? failure.message : String(failure);
    throw internal(
      `driver failed programming external connectivity on endpoint ${containerName} (${endpointId}): ${why}`,
      { cause: failure },
    );
  }

  function isAllocated(hostAddress: string, port: number, protocol: string): boolean {
    return table
      .list()
      .some(({ ports }) =>
        ports.some(
          (bound) =>
            bound.hostPort === port &&
            bound.protocol === protocol &&
            (bound.hostAddress === hostAddress || bound.hostAddress === "" || hostAddress === ""),
        ),
      );
  }

  async function connectBridge(request: EndpointRequest) {
    await using undo = new AsyncDisposableStack();
    const address = addresses.allocate();
    undo.defer(() => addresses.release(address));
    const endpointId = randomHex(32);
    const sockets: HeldPort[] = [];
    undo.defer(() => {
      for (const socket of sockets) socket.close();
    });
    const ports: BoundPort[] = [];
    for (const wanted of parsePorts(request.portBindings, request.exposedPorts, request.publishAll)) {
      const taken = await hold(wanted, address, request.containerName, endpointId);
      sockets.push(taken.held);
      ports.push(taken.bound);
    }
    await firewall.publish(publishedPorts(address, ports));
    undo.defer(() => firewall.withdraw(publishedPorts(address, ports)));
    const hostInterface = `veth${randomHex(4).slice(0, 7)}`;
    const macAddress = request.macAddress ?? randomMac();
    const endpoint: Endpoint = {
      containerId: request.containerId,
      containerName: request.containerName,
      address,
      hostInterface,
      ports,
      description: {
        networkName: "bridge",
        sandboxId: randomHex(32),
        settings: {
          ...settingsOf(networks.bridge.id, endpointId),
          MacAddress: macAddress,
          Gateway: gateway,
          IPAddress: address,
          IPPrefixLen: subnet.prefix,
        },
        ports: portMap(request.exposedPorts, ports),
      },
    };
    table.insert(endpoint);
    held.set(request.containerId, sockets);
    undo.move();
    return {
      endpoint,
      operations: bridgeOperations({ bridgeIndex, hostInterface, macAddress, address, gateway, subnet }),
    };
  }

  function connectAlone(request: EndpointRequest, network: "none" | "host") {
    const endpoint: Endpoint = {
      containerId: request.containerId,
      containerName: request.containerName,
      address: undefined,
      hostInterface: undefined,
      ports: [],
      description: {
        networkName: network,
        sandboxId: randomHex(32),
        settings: settingsOf(networks[network].id, randomHex(32)),
        ports: {},
      },
    };
    table.insert(endpoint);
    const operations: Operation[] =
      network === "none" ? [netlink("container", [linkUp(LOOPBACK_INDEX)])] : [];
    return { endpoint, operations };
  }

  function close(containerId: string): void {
    for (const socket of held.get(containerId) ?? []) socket.close();
    held.delete(containerId);
  }

  return {
    validate(request) {
      for (const key of request.exposedPorts) parsePortKey(key);
      parsePorts(request.portBindings, request.exposedPorts, request.publishAll);
    },
    async connect(request) {
      const { endpoint, operations } =
        request.mode === "bridge" ? await connectBridge(request) : connectAlone(request, request.mode);
      return {
        operations,
        resolvConf: resolvConf(request),
        hosts: hostsFile(request, endpoint.address, gateway),
        hostname: `${request.hostname}\n`,
        description: endpoint.description,
      };
    },
    async disconnect(containerId) {
      const endpoint = table.get(containerId);
      if (endpoint === undefined) return;
      close(containerId);
      // The veth went with the container's network namespace.
      if (endpoint.address !== undefined) {
        await firewall.withdraw(publishedPorts(endpoint.address, endpoint.ports));
        addresses.release(endpoint.address);
      }
      table.delete(containerId);
    },
    describe: (containerId) => table.get(containerId)?.description,
    defaultNetwork: () => ({
      id: networks.bridge.id,
      name: "bridge",
      bridge,
      subnet: formatSubnet(subnet),
      gateway,
    }),
    async reconcile(live) {
      bridgeIndex = await ensureBridge(shimPath, bridge, gateway, subnet.prefix);
      for (const endpoint of table.list()) {
        if (live.has(endpoint.containerId)) continue;
        if (endpoint.hostInterface !== undefined) await removeInterface(shimPath, endpoint.hostInterface);
        table.delete(endpoint.containerId);
      }
      const endpoints = table.list();
      for (const { containerId, address, ports } of endpoints) {
        if (address === undefined) continue;
        addresses.reserve(address);
        held.set(
          containerId,
          await Promise.all(
            ports.map(({ protocol, hostAddress, hostPort, containerPort }) =>
              holdPort(protocol, hostAddress, hostPort, { address, port: containerPort }),
            ),
          ),
        );
      }
      await firewall.replace(
        endpoints.flatMap(({ address, ports }) =>
          address === undefined ? [] : publishedPorts(address, ports),
        ),
      );
    },
    async teardown() {
      await firewall.remove();
      await removeInterface(shimPath, bridge);
    },
    async [Symbol.asyncDispose]() {
      for (const containerId of [...held.keys()]) close(containerId);
    },
  };
}

const netlink = (where: "host" | "container", messages: Buffer[], pidOffsets: number[] = []): Operation => ({
  op: "netlink",
  where,
  protocol: NETLINK_ROUTE,
  messages: Buffer.concat(messages),
  pidOffsets,
});

function bridgeOperations(place: {
  bridgeIndex: number;
  hostInterface: string;
  macAddress: string;
  address: string;
  gateway: string;
  subnet: Subnet;
}): Operation[] {
  const { message, pidOffset } = createVeth({
    hostName: place.hostInterface,
    // Both indexes have to be given for the peer's to be taken; the host's is drawn from a range nobody counts up to.
    hostIndex: randomInt(0x1000_0000, 0x4000_0000),
    bridgeIndex: place.bridgeIndex,
    peerName: "eth0",
    peerIndex: PEER_INDEX,
    peerMac: place.macAddress,
    mtu: MTU,
  });
  const inside = [
    linkUp(LOOPBACK_INDEX),
    addAddress(PEER_INDEX, place.address, place.subnet.prefix),
    linkUp(PEER_INDEX),
    addDefaultRoute(place.gateway, PEER_INDEX),
  ];
  const noSix: Operation[] = existsSync("/proc/sys/net/ipv6")
    ? [{ op: "sysctl", key: "net/ipv6/conf/eth0/disable_ipv6", value: "1" }]
    : [];
  return [netlink("host", [message], [pidOffset]), netlink("container", inside), ...noSix];
}

/** What of the bound ports the kernel translates: IPv4. */
function publishedPorts(address: string, ports: readonly BoundPort[]): PublishedPort[] {
  return ports
    .filter(({ hostAddress }) => !hostAddress.includes(":"))
    .map(({ hostAddress, hostPort, protocol, containerPort }) => ({
      hostAddress: hostAddress || "0.0.0.0",
      hostPort,
      protocol,
      containerAddress: address,
      containerPort,
    }));
}

/** NetworkSettings.Ports: exposed ones null, bound ones with every address they are held on. */
function portMap(exposed: readonly string[], bound: readonly BoundPort[]): PortMap {
  const map: PortMap = Object.fromEntries(
    exposed.map((key) => [key.includes("/") ? key : `${key}/tcp`, null]),
  );
  for (const { hostAddress, hostPort, protocol, containerPort } of bound) {
    const key = `${containerPort}/${protocol}`;
    const addresses = hostAddress === "" ? ["0.0.0.0", "::"] : [hostAddress];
    map[key] = [...(map[key] ?? []), ...addresses.map((HostIp) => ({ HostIp, HostPort: String(hostPort) }))];
  }
  return map;
}

const settingsOf = (networkId: string, endpointId: string): EndpointSettings => ({
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: "",
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: networkId,
  EndpointID: endpointId,
  Gateway: "",
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
});
