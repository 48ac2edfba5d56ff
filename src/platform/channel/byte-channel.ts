import type { ByteChannel, ChannelAddress } from "./channel.ts";

/** Above this much unread input the socket is paused. */
const HIGH_WATER = 1 << 20;

/**
 * Connect. Rejects with an error that has a `code` (ENOENT, ECONNREFUSED, EACCES).
 * Bun's own sockets, because loading node:net alone costs a client more than its whole request (5 of 11 ms).
 */
export async function connectChannel(address: ChannelAddress): Promise<ByteChannel> {
  if ("host" in address && address.tls !== undefined) {
    const { connectTls } = await import("./tls-channel.ts");
    return connectTls(address.host, address.port, address.tls);
  }
  const incoming: Uint8Array[] = [];
  let buffered = 0;
  let ended = false;
  let failure: Error | undefined;
  let wakeReader = () => {};
  let wakeWriter = () => {};
  const wake = () => {
    wakeReader();
    wakeWriter();
  };
  const handlers = {
    data(socket: { pause(): void }, bytes: Uint8Array) {
      // The buffer is the socket's own and is used again after this returns.
      incoming.push(bytes.slice());
      buffered += bytes.length;
      if (buffered > HIGH_WATER) socket.pause();
      wakeReader();
    },
    drain: () => wakeWriter(),
    end() {
      ended = true;
      wakeReader();
    },
    close() {
      ended = true;
      failure ??= Object.assign(new Error("the connection was closed"), { code: "EPIPE" });
      wake();
    },
    error(_socket: unknown, error: Error) {
      failure = error;
      wake();
    },
  };
  const socket =
    "path" in address
      ? await Bun.connect({ unix: address.path, allowHalfOpen: true, socket: handlers })
      : await Bun.connect({
          hostname: address.host,
          port: address.port,
          allowHalfOpen: true,
          socket: handlers,
        });
  let writing: Promise<void> = Promise.resolve();

  async function writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (failure !== undefined) throw failure;
      const taken = socket.write(bytes, at, bytes.length - at);
      if (taken < 0)
        throw failure ?? Object.assign(new Error("the connection was closed"), { code: "EPIPE" });
      at += taken;
      if (at < bytes.length) {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve;
        });
      }
    }
  }

  return {
    async read() {
      for (;;) {
        const next = incoming.shift();
        if (next !== undefined) {
          buffered -= next.length;
          if (buffered <= HIGH_WATER) socket.resume();
          return next;
        }
        if (ended) return undefined;
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
    },
    unread(bytes) {
      if (bytes.length === 0) return;
      incoming.unshift(bytes);
      buffered += bytes.length;
    },
    write(bytes) {
      const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
      writing = writing.then(() => writeAll(all));
      return writing;
    },
    end() {
      writing.then(
        () => socket.shutdown(),
        () => undefined,
      );
    },
    close: () => socket.end(),
    [Symbol.asyncDispose]: async () => {
      socket.end();
    },
  };
}
