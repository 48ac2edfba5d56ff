import { EngineError, internal, messageOf, unavailable } from "../../errors/index.ts";
import { type ByteChannel, connectChannel } from "../../platform/channel/index.ts";
import type { Value } from "./marshal.ts";
import { type Call, decodeMessage, encodeCall, type Received, sizeOfMessage } from "./message.ts";

/** How long anybody on the bus may take to answer. */
const ANSWER_LIMIT_MS = 30_000;

/** A connection to a message bus (D-Bus specification). Closed by disposing. */
export interface Bus extends AsyncDisposable {
  /** Rejects with what the other side complained of; `fields.name` of the error is D-Bus's name for it. */
  call(call: Call): Promise<readonly Value[]>;
  /** The next signal that fits, counted from now on. */
  nextSignal(fits: (signal: Received) => boolean): Promise<Received>;
  /** Whether the other side has gone. */
  isClosed(): boolean;
}

interface Waiter {
  readonly fits: (message: Received) => boolean;
  readonly resolve: (message: Received) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Connect to the bus at a socket, as the user `uid`, which is what the socket's other side sees. Rejects with unavailable
 * when nobody is there.
 */
export async function connectBus(path: string, uid: number): Promise<Bus> {
  let channel: ByteChannel;
  try {
    channel = await connectChannel({ path });
  } catch (cause) {
    throw unavailable(`the message bus at ${path} does not answer: ${messageOf(cause)}`, { cause });
  }
  await authenticate(channel, uid);
  const waiters = new Set<Waiter>();
  let serial = 0;
  let failure: Error | undefined;

  const listening = listen(channel, (message) => {
    for (const waiter of waiters) {
      if (!waiter.fits(message)) continue;
      waiters.delete(waiter);
      waiter.resolve(message);
    }
  }).catch((error: unknown) => {
    failure = error instanceof Error ? error : internal(messageOf(error));
    for (const { reject } of waiters) reject(failure);
    waiters.clear();
  });

  async function next(fits: Waiter["fits"], what: string): Promise<Received> {
    if (failure !== undefined) throw failure;
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const waiter = { fits, resolve, reject };
    waiters.add(waiter);
    const limit = setTimeout(() => {
      waiters.delete(waiter);
      reject(unavailable(`${what}: no answer from systemd within ${ANSWER_LIMIT_MS / 1000} s`));
    }, ANSWER_LIMIT_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(limit);
    }
  }

  async function call(request: Call): Promise<readonly Value[]> {
    const own = ++serial;
    const answer = next(({ replySerial }) => replySerial === own, request.member);
    // A write that fails is told of by whoever listens, too.
    await Promise.all([channel.write(encodeCall(request, own)), answer]);
    const { type, errorName, body } = await answer;
    if (type === "error")
      throw new EngineError("internal", `${request.member}: ${String(body[0] ?? errorName)}`, {
        fields: { name: errorName },
      });
    return body;
  }

  const bus: Bus = {
    call,
    isClosed: () => failure !== undefined,
    nextSignal: (fits) => next((message) => message.type === "signal" && fits(message), "signal"),
    async [Symbol.asyncDispose]() {
      channel.close();
      await listening;
    },
  };
  await call({ ...DAEMON, member: "Hello", signature: "", body: [] });
  return bus;
}

const DAEMON = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

/** What signals are to come here (D-Bus specification, match rules). */
export async function subscribe(bus: Bus, rule: string): Promise<void> {
  await bus.call({ ...DAEMON, member: "AddMatch", signature: "s", body: [rule] });
}

/** EXTERNAL: the kernel tells the bus who we are, and it must be who we say, in hexadecimal digits of decimal digits. */
async function authenticate(channel: ByteChannel, uid: number): Promise<void> {
  await channel.write(`\0AUTH EXTERNAL ${Buffer.from(String(uid)).toString("hex")}\r\n`);
  const answer = Buffer.from((await channel.read()) ?? []).toString("latin1");
  if (!answer.startsWith("OK "))
    throw unavailable(`the message bus does not let user ${uid} in: ${answer.trim()}`);
  await channel.write("BEGIN\r\n");
}

async function listen(channel: ByteChannel, onMessage: (message: Received) => void): Promise<never> {
  let kept: Uint8Array = new Uint8Array();
  for (;;) {
    const bytes = await channel.read();
    if (bytes === undefined) throw unavailable("the message bus has closed the connection");
    kept = kept.length === 0 ? bytes : Buffer.concat([kept, bytes]);
    for (;;) {
      const size = sizeOfMessage(kept);
      if (size === undefined || kept.length < size) break;
      onMessage(decodeMessage(kept.subarray(0, size)));
      kept = kept.subarray(size);
    }
  }
}
