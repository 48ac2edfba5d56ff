import { createSocket, type Socket } from "node:dgram";
import type { TargetOf } from "./target.ts";

/** A client that was silent for so long is forgotten, as the kernel's connection tracking does it. */
const IDLE_MS = 60_000;
/** Clients at once of one port; the one silent longest makes room. */
const MAX_CLIENTS = 1024;

interface Client {
  readonly toContainer: Socket;
  idle: NodeJS.Timeout;
}

/** Carry datagrams between a socket's clients and a container: one socket per client, so that answers find back. */
export function carryDatagrams(socket: Socket, target: TargetOf): Disposable {
  const clients = new Map<string, Client>();
  const forget = (key: string) => {
    const client = clients.get(key);
    if (client === undefined) return;
    clearTimeout(client.idle);
    client.toContainer.close();
    clients.delete(key);
  };
  socket.on("message", (message, from) => {
    const to = target();
    if (to === undefined) return;
    const key = `${from.address} ${from.port}`;
    const known = clients.get(key);
    clients.delete(key);
    const oldest = clients.keys().next().value;
    if (known === undefined && clients.size >= MAX_CLIENTS && oldest !== undefined) forget(oldest);
    const toContainer =
      known?.toContainer ??
      openFor(
        to.address,
        (answer) => socket.send(answer, from.port, from.address),
        () => forget(key),
      );
    clearTimeout(known?.idle);
    const idle = setTimeout(() => forget(key), IDLE_MS);
    idle.unref();
    clients.set(key, { toContainer, idle });
    toContainer.send(message, to.port, to.address);
  });
  // A client that went away makes the next send fail; that is nobody's loss.
  socket.on("error", () => undefined);
  return {
    [Symbol.dispose]() {
      for (const key of [...clients.keys()]) forget(key);
    },
  };
}

function openFor(address: string, answer: (message: Buffer) => void, failed: () => void): Socket {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("message", answer);
  socket.on("error", failed);
  socket.unref();
  return socket;
}
