import { EngineError, errnoOf, internal } from "../../errors/index.ts";
import type { BoundPort } from "../record.ts";
import { type HeldPort, holdPort } from "./held-port.ts";
import type { ForwardedPort, HostForwarding } from "./host-forwarding.ts";
import type { PortRequest } from "./requests.ts";
import type { Target } from "./target.ts";

/** A container's addresses, for what is carried to it. */
export interface PortTarget {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

/** The host's ports that are held for containers. */
export interface HeldPorts {
  /**
   * Take ports. All or none: throws internal in Docker's words when one is taken. `named` is the endpoint as the
   * sentence names it.
   */
  hold(
    containerId: string,
    requests: readonly PortRequest[],
    target: PortTarget,
    named: string,
  ): Promise<BoundPort[]>;
  /** Hold ports again that rows say are the container's. Gives those that could not be had. */
  restore(containerId: string, ports: readonly BoundPort[], target: PortTarget): Promise<BoundPort[]>;
  /** The container has other addresses now. */
  retarget(containerId: string, target: PortTarget): void;
  /** Let go of all of a container's ports, or of some. */
  release(containerId: string, ports?: readonly BoundPort[]): void;
  /** After all of `restore`: what was forwarded for containers that ended while no daemon looked is taken back. */
  sweep(): Promise<void>;
  closeAll(): void;
}

interface Holding {
  target: PortTarget;
  readonly ports: Held[];
}

interface Held {
  readonly bound: BoundPort;
  /** In the engine's own network namespace, where the address asked for is there. */
  readonly socket: HeldPort | undefined;
  /** On the host, when that is another one. */
  readonly forwarded: ForwardedPort | undefined;
}

/** SCTP has no sockets here, so a free port is one that no row has. */
const [FIRST_EPHEMERAL, LAST_EPHEMERAL] = [49_153, 65_535];

/** With `forwarding` a port is the host's as well as that of the engine's own network namespace. */
export function createHeldPorts(forwarding?: HostForwarding): HeldPorts {
  const holdings = new Map<string, Holding>();
  const holdingOf = (containerId: string, target: PortTarget): Holding => {
    const holding = holdings.get(containerId) ?? { target, ports: [] };
    holdings.set(containerId, holding);
    return holding;
  };
  const isTaken = (hostAddress: string, port: number, protocol: string): boolean => {
    for (const { ports } of holdings.values()) {
      for (const { bound } of ports) {
        if (bound.hostPort !== port || bound.protocol !== protocol) continue;
        if (bound.hostAddress === hostAddress || bound.hostAddress === "" || hostAddress === "") return true;
      }
    }
    return false;
  };

  /** The host first: what another program has there is refused before anything is made. */
  async function bind(holding: Holding, bound: BoundPort): Promise<BoundPort> {
    const { protocol, hostAddress, containerPort } = bound;
    const forwarded = await forward(bound, holding.target);
    const hostPort = forwarded?.port ?? bound.hostPort;
    try {
      const isHere = forwarded === undefined || isOfEveryHost(hostAddress);
      const target = () => targetOf(holding.target, containerPort, hostAddress);
      const socket = isHere ? await holdPort(protocol, hostAddress, hostPort, target) : undefined;
      const actual = { ...bound, hostPort: socket?.port ?? hostPort };
      holding.ports.push({ bound: actual, socket, forwarded });
      return actual;
    } catch (error) {
      await forwarded?.close();
      throw error;
    }
  }

  async function forward({ protocol, hostAddress, hostPort, containerPort }: BoundPort, target: PortTarget) {
    if (forwarding === undefined) return undefined;
    if (protocol === "sctp")
      throw internal("ports of SCTP are not forwarded to an engine of an ordinary user");
    return forwarding.open(protocol, hostAddress, hostPort, targetOf(target, containerPort, hostAddress));
  }

  async function holdOne(holding: Holding, request: PortRequest, named: string): Promise<BoundPort> {
    const { hostAddress, range, protocol, containerPort } = request;
    const shown = hostAddress || "0.0.0.0";
    const candidates = range ?? freeRange(protocol, (port) => !isTaken(hostAddress, port, protocol));
    let failure: unknown;
    for (let hostPort = candidates.first; hostPort <= candidates.last; hostPort++) {
      if (hostPort !== 0 && isTaken(hostAddress, hostPort, protocol)) {
        failure = new EngineError(
          "internal",
          `Bind for ${shown}:${hostPort} failed: port is already allocated`,
        );
        continue;
      }
      try {
        return await bind(holding, { hostAddress, hostPort, protocol, containerPort });
      } catch (error) {
        failure =
          errnoOf(error) === "EADDRINUSE"
            ? new EngineError(
                "internal",
                `failed to bind host port for ${shown}:${hostPort}:${holding.target.ipv4 ?? holding.target.ipv6}:${containerPort}/${protocol}: address already in use`,
              )
            : error;
      }
    }
    const why = failure instanceof Error ? failure.message : String(failure);
    throw internal(`driver failed programming external connectivity on endpoint ${named}: ${why}`, {
      cause: failure,
    });
  }

  function release(containerId: string, ports?: readonly BoundPort[]): void {
    const holding = holdings.get(containerId);
    if (holding === undefined) return;
    const goes = ({ bound }: { bound: BoundPort }) =>
      ports === undefined || ports.some((port) => isSame(port, bound));
    for (const held of holding.ports) {
      if (!goes(held)) continue;
      held.socket?.close();
      // Without its process there is no port to take back.
      held.forwarded?.close().catch(() => undefined);
    }
    const kept = holding.ports.filter((held) => !goes(held));
    if (kept.length === 0) holdings.delete(containerId);
    else holding.ports.splice(0, holding.ports.length, ...kept);
  }

  return {
    async hold(containerId, requests, target, named) {
      const holding = holdingOf(containerId, target);
      const taken: BoundPort[] = [];
      try {
        for (const request of requests) taken.push(await holdOne(holding, request, named));
      } catch (error) {
        release(containerId, taken);
        if (holding.ports.length === 0) holdings.delete(containerId);
        throw error;
      }
      if (holding.ports.length === 0) holdings.delete(containerId);
      return taken;
    },
    async restore(containerId, ports, target) {
      const holding = holdingOf(containerId, target);
      const results = await Promise.allSettled(ports.map((port) => bind(holding, port)));
      return ports.filter((_, at) => results[at]?.status === "rejected");
    },
    retarget(containerId, target) {
      const holding = holdings.get(containerId);
      if (holding === undefined) return;
      holding.target = target;
      for (const { bound, forwarded } of holding.ports) {
        const to = targetOf(target, bound.containerPort, bound.hostAddress);
        // A process that has ended gets all again when there is another one.
        forwarded?.retarget(to).catch(() => undefined);
      }
    },
    release,
    sweep: async () => forwarding?.sweep(),
    closeAll() {
      // What is forwarded stays, as the packet rules do, for containers that go on.
      forwarding?.[Symbol.dispose]();
      for (const { ports } of holdings.values()) for (const { socket } of ports) socket?.close();
      holdings.clear();
    },
  };
}

const isSame = (a: BoundPort, b: BoundPort): boolean =>
  a.hostAddress === b.hostAddress &&
  a.hostPort === b.hostPort &&
  a.protocol === b.protocol &&
  a.containerPort === b.containerPort;

/** The container's address of the family that the host's address is of, or else of the other one. */
function targetOf({ ipv4, ipv6 }: PortTarget, port: number, hostAddress: string): Target {
  const address = hostAddress.includes(":") ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6);
  return address === undefined ? undefined : { address, port };
}

/** All addresses and those of loopback are in every network namespace; others may be the host's alone. */
const isOfEveryHost = (address: string): boolean =>
  address === "" ||
  address === "0.0.0.0" ||
  address === "::" ||
  address === "::1" ||
  address.startsWith("127.");

/** A port of the kernel's choice is number 0. */
function freeRange(protocol: string, isFree: (port: number) => boolean): { first: number; last: number } {
  if (protocol !== "sctp") return { first: 0, last: 0 };
  for (let port = FIRST_EPHEMERAL; port <= LAST_EPHEMERAL; port++)
    if (isFree(port)) return { first: port, last: port };
  throw internal("no free SCTP port is left");
}
