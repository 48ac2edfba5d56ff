import { spawn } from "node:child_process";
import { EventEmitter, on, once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { errnoOf, internal } from "../errors/index.ts";
import { ipBytes, parseIp } from "../units/index.ts";
import { type Ask, DNS_PORT, type Transport } from "./ask.ts";
import { errnoName } from "./errno.ts";

/**
 * The connection to `gantry-shim names`, the process that has the name server's sockets inside containers' network
 * namespaces (native/mode_names.c has the protocol). It outlives the daemon; the next one finds it again.
 */
export interface NamesRelay extends AsyncDisposable {
  /** Open the sockets of one namespace at 127.0.0.11:`port`; no matter when they are there. Throws internal. */
  open(key: bigint, namespace: string, port: number): Promise<void>;
  close(key: bigint): void;
  /** Close every namespace's sockets but these, which are opened where they are missing. Gives the keys that failed. */
  retain(places: readonly { key: bigint; namespace: string; port: number }[]): Promise<bigint[]>;
}

/**
 * Says what is to be answered to a question from the namespace `key`; undefined for silence. `askFromClient` asks servers
 * from that namespace.
 */
export type Responder = (
  key: bigint,
  message: Buffer,
  transport: Transport,
  askFromClient: Ask,
) => Promise<Buffer | undefined>;

const KIND = {
  BEGIN: 1,
  END: 2,
  OPEN: 3,
  CLOSE: 4,
  ANSWER: 5,
  QUESTION: 6,
  ASK: 7,
  REPLY: 8,
  FORGET: 9,
  VERSION: 10,
} as const;
/** What this build speaks with the process. A frame that is added or changed makes it another one. */
const VERSION = "2";
/** No namespace: its key is none that is ever opened. */
const NOWHERE = { key: 0xffff_ffff_ffff_ffffn, namespace: "/", port: 0 } as const;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 9;
const TOKEN_BYTES = 8;
const TCP_TOKEN = 1n << 63n;

export interface NamesRelayOptions {
  readonly shimPath: string;
  /** EXEC_ROOT/names.sock */
  readonly socketPath: string;
  readonly respond: Responder;
}

/**
 * Connect to the process, which is started where there is none. One of another build is let go first: it closes its sockets,
 * which `retain` opens again in the new one; names stay known, for they are the daemon's.
 */
export async function openNamesRelay(options: NamesRelayOptions): Promise<NamesRelay> {
  const found = await connectTo(options.socketPath);
  if (found !== undefined) {
    const relay = relayOver(found, options.respond);
    if ((await relay.version()) === VERSION) return relay;
    await relay.retain([]);
    await relay.hangUp();
    await untilGone(options.socketPath);
  }
  return relayOver(await startRelay(options), options.respond);
}

interface HelperOfAnyBuild extends NamesRelay {
  /** "" of one from before there were versions: it passes the question over, and answers the next. */
  version(): Promise<string>;
  /** Resolves when it has hung up too. */
  hangUp(): Promise<void>;
}

/** It has hung up, and so is about to end: a connection that it still gets ends with it. */
async function untilGone(path: string): Promise<void> {
  for (let socket = await connectTo(path); socket !== undefined; socket = await connectTo(path)) {
    socket.on("error", () => undefined).resume();
    if (!socket.closed) await once(socket, "close");
  }
}

async function connectTo(path: string): Promise<Socket | undefined> {
  const socket = createConnection({ path });
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ECONNREFUSED") return undefined;
    throw error;
  }
}

async function startRelay({ shimPath, socketPath }: NamesRelayOptions): Promise<Socket> {
  const helper = spawn(shimPath, ["names", socketPath, VERSION], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
    cwd: "/",
    env: {},
  });
  const [ready] = await Promise.race([
    once(helper.stdout, "data"),
    once(helper, "exit").then(() => [undefined]),
  ]);
  helper.stdout.destroy();
  helper.unref();
  const socket = ready === undefined ? undefined : await connectTo(socketPath);
  if (socket === undefined) throw internal(`the name server's helper could not listen at ${socketPath}`);
  return socket;
}

function relayOver(socket: Socket, respond: Responder): HelperOfAnyBuild {
  let spoken = "";
  const opening = new Map<bigint, (errno: number) => void>();
  /** By token: questions to servers; "reply" comes with what arrived, empty at the end. */
  const asking = new Map<bigint, EventEmitter>();
  let lastToken = 0n;
  let rest: Buffer = Buffer.alloc(0);
  const send = (kind: number, key: bigint, ...body: Buffer[]) => {
    const head = Buffer.alloc(LENGTH_BYTES + HEAD_BYTES);
    const size = body.reduce((sum, part) => sum + part.length, 0);
    head.writeUInt32LE(HEAD_BYTES + size, 0);
    head[LENGTH_BYTES] = kind;
    head.writeBigUInt64LE(key, LENGTH_BYTES + 1);
    socket.write(Buffer.concat([head, ...body]));
  };
  const askFrom = (key: bigint): Ask =>
    async function* (address, transport, message, limit) {
      const token = Buffer.alloc(TOKEN_BYTES);
      token.writeBigUInt64LE(++lastToken);
      const replies = new EventEmitter();
      asking.set(lastToken, replies);
      try {
        const arriving = on(replies, "reply", { signal: limit });
        send(KIND.ASK, key, token, serverBytes(address, transport), message);
        for await (const [arrived] of arriving) {
          if (arrived.length === 0) return;
          yield arrived;
        }
      } finally {
        asking.delete(token.readBigUInt64LE());
        if (!socket.destroyed) send(KIND.FORGET, key, token);
      }
    };
  const hear = (frame: Buffer) => {
    const kind = frame[0];
    const key = frame.readBigUInt64LE(1);
    const body = frame.subarray(HEAD_BYTES);
    if (kind === KIND.VERSION) spoken = body.toString("utf8");
    if (kind === KIND.OPEN) opening.get(key)?.(body.readUInt32LE(0));
    if (kind === KIND.REPLY) {
      const arrived = Buffer.from(body.subarray(TOKEN_BYTES));
      asking.get(body.readBigUInt64LE(0))?.emit("reply", arrived);
    }
    if (kind !== KIND.QUESTION) return;
    const token = Buffer.from(body.subarray(0, TOKEN_BYTES));
    const transport = (token.readBigUInt64LE(0) & TCP_TOKEN) === 0n ? "udp" : "tcp";
    respond(key, Buffer.from(body.subarray(TOKEN_BYTES)), transport, askFrom(key)).then(
      (answer) => {
        if (answer !== undefined && !socket.destroyed) send(KIND.ANSWER, key, token, answer);
      },
      // A question that cannot be answered gets no answer; the client asks again or gives up.
      () => undefined,
    );
  };
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt32LE(0);
      if (rest.length < end) break;
      hear(rest.subarray(LENGTH_BYTES, end));
      rest = rest.subarray(end);
    }
  });
  const fail = () => {
    for (const settle of opening.values()) settle(-1);
    for (const replies of asking.values()) replies.emit("reply", Buffer.alloc(0));
  };
  socket.on("error", fail);
  socket.on("close", fail);
  socket.unref();

  async function open(key: bigint, namespace: string, port: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<number>();
    opening.set(key, resolve);
    const body = Buffer.alloc(2);
    body.writeUInt16LE(port);
    send(KIND.OPEN, key, body, Buffer.from(`${namespace}\0`));
    const errno = await promise.finally(() => opening.delete(key));
    if (errno !== 0)
      throw internal(
        `the name server could not listen in ${namespace}: ${errno < 0 ? "its helper has ended" : errnoName(errno)}`,
      );
  }

  return {
    open,
    async version() {
      send(KIND.VERSION, NOWHERE.key);
      await open(NOWHERE.key, NOWHERE.namespace, NOWHERE.port).catch(() => undefined);
      return spoken;
    },
    async hangUp() {
      if (socket.destroyed) return;
      const closed = once(socket, "close");
      socket.end();
      await closed;
    },
    close: (key) => send(KIND.CLOSE, key),
    async retain(places) {
      send(KIND.BEGIN, 0n);
      const opened = await Promise.allSettled(
        places.map(({ key, namespace, port }) => open(key, namespace, port)),
      );
      send(KIND.END, 0n);
      return places.filter((_, at) => opened[at]?.status === "rejected").map(({ key }) => key);
    },
    async [Symbol.asyncDispose]() {
      if (socket.destroyed) return;
      socket.end();
      socket.destroySoon();
    },
  };
}

const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** As native/names_upstream.h has it: transport, port, and an address of IPv6, which IPv4 is mapped to. */
function serverBytes(address: string, transport: Transport): Buffer {
  const parsed = parseIp(address);
  if (parsed === undefined) throw internal(`${address} is no address of a name server`);
  const head = Buffer.alloc(3);
  head[0] = transport === "udp" ? 0 : 1;
  head.writeUInt16LE(DNS_PORT, 1);
  return Buffer.concat([head, ...(parsed.family === 4 ? [MAPPED] : []), ipBytes(parsed)]);
}
