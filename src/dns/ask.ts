import { createSocket } from "node:dgram";
import { on, once } from "node:events";
import { connect, isIPv6 } from "node:net";

export const DNS_PORT = 53;

/** A name server. */
export interface Upstream {
  readonly address: string;
  /** Whose network it is reached in: the host's, or that of the client whose question is passed on. */
  readonly from: "host" | "client";
}

export type Transport = "udp" | "tcp";

/**
 * Send a message to a server. Gives what arrives, by datagrams or by pieces of the stream, until the server closes.
 * Rejects when it cannot be reached, and when `limit` aborts.
 */
export type Ask = (
  address: string,
  transport: Transport,
  message: Buffer,
  limit: AbortSignal,
) => AsyncIterable<Buffer>;

/** Ask from the network namespace that the daemon is in. */
export const askFromHost: Ask = (address, transport, message, limit) =>
  transport === "udp" ? askUdp(address, message, limit) : askTcp(address, message, limit);

/** From a port of the kernel's choice, connected, so that nobody else's packets are taken. */
async function* askUdp(address: string, message: Buffer, limit: AbortSignal): AsyncGenerator<Buffer> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    const arriving = on(socket, "message", { signal: limit });
    socket.connect(DNS_PORT, address, () => socket.send(message));
    for await (const [datagram] of arriving) yield Buffer.from(datagram);
  } finally {
    socket.close();
  }
}

async function* askTcp(address: string, message: Buffer, limit: AbortSignal): AsyncGenerator<Buffer> {
  const socket = connect({ host: address, port: DNS_PORT, signal: limit });
  try {
    await once(socket, "connect");
    socket.write(message);
    yield* socket;
  } finally {
    socket.destroy();
  }
}
