import { randomInt } from "node:crypto";
import { type Ask, askFromHost, type Upstream } from "./ask.ts";
import { answersQuestion, describeReply, type Question, RCODE } from "./message.ts";

/** One server is asked for so long before the next one is. */
const TIMEOUT_MS = 4000;
const MAX_SERVERS = 3;
/** Questions on their way at once; more are answered with a failure rather than piled up. */
const MAX_PENDING = 1024;

export interface Forwarder {
  /**
   * Pass a question on to the servers, in order, until one answers; what was cut is asked for again over TCP.
   * `askFromClient` asks from where the question came from. Undefined when nobody answered.
   */
  forward(
    message: Buffer,
    question: Question,
    servers: readonly Upstream[],
    askFromClient: Ask,
  ): Promise<Buffer | undefined>;
}

export function createForwarder(): Forwarder {
  let pending = 0;
  return {
    async forward(message, question, servers, askFromClient) {
      if (pending >= MAX_PENDING) return undefined;
      pending++;
      try {
        return await askInOrder(message, question, servers.slice(0, MAX_SERVERS), askFromClient);
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
  askFromClient: Ask,
): Promise<Buffer | undefined> {
  // An id of our own, so that the container's is not the one to be guessed.
  const own = Buffer.from(message);
  const id = randomInt(0x10000);
  own.writeUInt16BE(id, 0);
  let refused: Buffer | undefined;
  for (const { address, from } of servers) {
    const ask = from === "host" ? askFromHost : askFromClient;
    const reply = await askServer(own, id, question, address, ask);
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
  address: string,
  ask: Ask,
): Promise<Buffer | undefined> {
  const isReply = (reply: Buffer) => describeReply(reply)?.id === id && answersQuestion(reply, question);
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const reply = await askUdp(ask, address, message, isReply, limit);
    const isCut = describeReply(reply)?.truncated === true;
    return isCut ? await askTcp(ask, address, message, isReply, limit) : reply;
  } catch {
    // Refused, unreachable or silent: the next server's turn.
    return undefined;
  }
}

async function askUdp(
  ask: Ask,
  address: string,
  message: Buffer,
  isReply: (reply: Buffer) => boolean,
  limit: AbortSignal,
): Promise<Buffer> {
  for await (const reply of ask(address, "udp", message, limit)) if (isReply(reply)) return reply;
  throw new Error("the server cannot be reached");
}

/** Behind two bytes of length (RFC 1035 4.2.2). */
async function askTcp(
  ask: Ask,
  address: string,
  message: Buffer,
  isReply: (reply: Buffer) => boolean,
  limit: AbortSignal,
): Promise<Buffer> {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  let bytes = Buffer.alloc(0);
  for await (const piece of ask(address, "tcp", Buffer.concat([length, message]), limit)) {
    bytes = Buffer.concat([bytes, piece]);
    if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) continue;
    const reply = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
    if (isReply(reply)) return reply;
    break;
  }
  throw new Error("the server closed the connection without an answer");
}
