import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { errnoOf } from "../../errors/index.ts";
import type { Protocol } from "../record.ts";
import { carryDatagrams } from "./carry-datagrams.ts";
import type { TargetOf } from "./target.ts";

/**
 * A host port that is ours: a bound socket, so that a second taker is refused by the kernel. Packets for it are
 * translated before they would reach the socket; only what the kernel does not translate arrives (clients at ::1,
 * clients of IPv6 for a container without it, everybody when the host's rules for its own ports are to decide), and is
 * carried to the container from here.
 */
export interface HeldPort {
  readonly port: number;
  /** Addresses held, as Docker shows them: "0.0.0.0" and "::" for all. */
  readonly addresses: readonly string[];
  close(): void;
}

/** `port` 0 = any free one. Rejects with the system's EADDRINUSE or EADDRNOTAVAIL. */
export async function holdPort(
  protocol: Protocol,
  hostAddress: string,
  port: number,
  target: TargetOf,
): Promise<HeldPort> {
  // The runtime has no sockets of SCTP: such a port is the engine's by its rows and its rules.
  if (protocol === "sctp") return { port, addresses: [hostAddress], close: () => {} };
  const open = protocol === "tcp" ? holdTcp : holdUdp;
  if (hostAddress !== "") return open(hostAddress, port, target);
  const all = await open("0.0.0.0", port, target);
  try {
    const six = await open("::", all.port, target);
    return {
      port: all.port,
      addresses: ["0.0.0.0", "::"],
      close() {
        all.close();
        six.close();
      },
    };
  } catch (error) {
    // A host without IPv6 has only the first.
    if (errnoOf(error) === "EAFNOSUPPORT" || errnoOf(error) === "EADDRNOTAVAIL") return all;
    all.close();
    throw error;
  }
}

async function holdTcp(host: string, port: number, target: TargetOf): Promise<HeldPort> {
  const server = createServer({ allowHalfOpen: true }, (client) => carry(client, target));
  server.listen({ host, port, ipv6Only: true, exclusive: true });
  await once(server, "listening");
  server.unref();
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    addresses: [host],
    close: () => server.close(),
  };
}

function carry(client: Socket, target: TargetOf): void {
  const to = target();
  if (to === undefined) {
    client.destroy();
    return;
  }
  const container = connect({ host: to.address, port: to.port, allowHalfOpen: true });
  const end = () => {
    client.destroy();
    container.destroy();
  };
  client.on("error", end);
  container.on("error", end);
  client.pipe(container);
  container.pipe(client);
}

async function holdUdp(host: string, port: number, target: TargetOf): Promise<HeldPort> {
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", ipv6Only: host.includes(":") });
  socket.bind({ address: host, port, exclusive: true });
  await once(socket, "listening");
  socket.unref();
  const carried = carryDatagrams(socket, target);
  return {
    port: socket.address().port,
    addresses: [host],
    close() {
      carried[Symbol.dispose]();
      socket.close();
    },
  };
}
