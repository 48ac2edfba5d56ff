import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, isIPv6 } from "node:net";
import { answersQuestion, describeReply, type Question, RCODE } from "./message.ts";

/** One server is asked for so long before the next one is. */
const TIMEOUT_MS = 4000;
const MAX_SERVERS = 3;
/** Questions on their way at once; more are answered with a failure rather than piled up. */
const MAX_PENDING = 1024;
const DNS_PORT = 53;

/** A name server: an address, with a port where it is not 53. */
export interface Upstream {
  readonly address: string;
  readonly port?: number;
}

export interface Forwarder {
  /**
   * Pass a question on to the servers, in order, until one answers; what was cut is asked for again over TCP.
   * Undefined when nobody answered.
   */
  forward(message: Buffer, question: Question, servers: readonly Upstream[]): Promise<Buffer | undefined>;
}

export function createForwarder(): Forwarder {
  let pending = 0;
  return {
    async forward(message, question, servers) {
      if (pending >= MAX_PENDING) return undefined;
      pending++;
      try {
        return await askInOrder(message, question, servers.slice(0, MAX_SERVERS));
      } finally {
        pending--;
      }
    },
  };
}

async function askInOrder(
  message: Buffer,
  question: Question,
  servers: readonly Upstream[],
): Promise<Buffer | undefined> {
  // An id of our own, so that the container's is not the one to be guessed.
  const own = Buffer.from(message);
  const id = randomInt(0x10000);
  own.writeUInt16BE(id, 0);
  let refused: Buffer | undefined;
  for (const server of servers) {
    const reply = await askServer(own, id, question, server);
    if (reply === undefined) continue;
    reply.writeUInt16BE(question.id, 0);
    const rcode = describeReply(reply)?.rcode;
    if (rcode !== RCODE.SERVFAIL && rcode !== RCODE.REFUSED) return reply;
    refused ??= reply;
  }
  return refused;
}

async function askServer(
  message: Buffer,
  id: number,
  question: Question,
  server: Upstream,
): Promise<Buffer | undefined> {
  const isReply = (reply: Buffer) => describeReply(reply)?.id === id && answersQuestion(reply, question);
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const reply = await askUdp(message, server, isReply, limit);
    return describeReply(reply)?.truncated === true ? await askTcp(message, server, isReply, limit) : reply;
  } catch {
    // Refused, unreachable or silent: the next server's turn.
    return undefined;
  }
}

/** From a port of the kernel's choice, connected, so that nobody else's packets are taken. */
async function askUdp(
  message: Buffer,
  { address, port = DNS_PORT }: Upstream,
  isReply: (reply: Buffer) => boolean,
  limit: AbortSignal,
): Promise<Buffer> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    socket.on("message", (reply) => {
      if (isReply(reply)) resolve(Buffer.from(reply));
    });
    socket.once("error", reject);
    limit.addEventListener("abort", () => reject(limit.reason), { once: true });
    socket.connect(port, address, () => socket.send(message));
    return await promise;
  } finally {
    socket.close();
  }
}

async function askTcp(
  message: Buffer,
  { address, port = DNS_PORT }: Upstream,
  isReply: (reply: Buffer) => boolean,
  limit: AbortSignal,
): Promise<Buffer> {
  const socket = connect({ host: address, port, signal: limit });
  try {
    await once(socket, "connect");
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
    let bytes = Buffer.alloc(0);
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) continue;
      const reply = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
      if (isReply(reply)) return reply;
      break;
    }
    throw new Error("the server closed the connection without an answer");
  } finally {
    socket.destroy();
  }
}
