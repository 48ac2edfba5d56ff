import { once } from "node:events";
import { isIP } from "node:net";
import { connect } from "node:tls";
import type { ByteChannel, TlsOptions } from "./channel.ts";

/** Connect with TLS, by the runtime's own sockets. Rejects with an error that has a `code`, for certificates OpenSSL's. */
export async function connectTls(host: string, port: number, tls: TlsOptions): Promise<ByteChannel> {
  const options = {
    ...tls,
    host,
    port,
    // Only names are told to a server (RFC 6066, 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    allowHalfOpen: true,
  };
  const socket = connect(options);
  await once(socket, "secureConnect");
  // Whoever reads or writes next is told.
  socket.on("error", () => undefined);
  const incoming: AsyncIterator<Uint8Array> = socket.iterator({ destroyOnReturn: false });
  const front: Uint8Array[] = [];
  const close = () => void socket.destroySoon();
  return {
    async read() {
      const next = front.shift();
      if (next !== undefined) return next;
      const { done, value } = await incoming.next();
      return done === true ? undefined : value;
    },
    unread(bytes) {
      if (bytes.length > 0) front.unshift(bytes);
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
      }),
    end: () => void socket.end(),
    close,
    [Symbol.asyncDispose]: async () => close(),
  };
}
