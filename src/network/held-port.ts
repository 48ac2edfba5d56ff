import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { errnoOf } from "../errors/index.ts";
import type { Protocol } from "./ports.ts";

/**
 * A host port that is ours: a bound socket, so that a second taker is refused by the kernel. Packets for it are
 * translated before they would reach the socket; only what the kernel does not translate arrives (IPv6 clients), and
 * is carried to the container from here.
 */
export interface HeldPort {
  readonly port: number;
  /** Addresses held, as Docker shows them: "0.0.0.0" and "::" for all. */
  readonly addresses: readonly string[];
  close(): void;
}

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** `port` 0 = any free one. Rejects with the system's EADDRINUSE or EADDRNOTAVAIL. */
export async function holdPort(
  protocol: Protocol,
  hostAddress: string,
  port: number,
  target: Target,
): Promise<HeldPort> {
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

async function holdTcp(host: string, port: number, target: Target): Promise<HeldPort> {
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

function carry(client: Socket, target: Target): void {
  const container = connect({ host: target.address, port: target.port, allowHalfOpen: true });
  const end = () => {
    client.destroy();
    container.destroy();
  };
  client.on("error", end);
  container.on("error", end);
  client.pipe(container);
  container.pipe(client);
}

async function holdUdp(host: string, port: number): Promise<HeldPort> {
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", ipv6Only: host.includes(":") });
  socket.bind({ address: host, port, exclusive: true });
  await once(socket, "listening");
  socket.unref();
  return { port: socket.address().port, addresses: [host], close: () => socket.close() };
}
