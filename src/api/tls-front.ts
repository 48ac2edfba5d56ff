import { once } from "node:events";
import { connect } from "node:net";
import { createServer, type Server } from "node:tls";

/** Texts in PEM. */
export interface TlsFront {
  /** Whom clients' certificates have to come from. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  /** Path of the socket behind it, in a folder of root's own. */
  readonly socket: string;
}

/**
 * TLS in front of a server that listens on a unix socket: what a client with a certificate of the authority sends goes there,
 * byte by byte, so that connections that are taken over go on as they would without it. Others do not get as far as a request.
 */
export async function listenTls(
  { authority, certificate, key, socket }: TlsFront,
  where: { readonly host: string; readonly port: number },
): Promise<Server> {
  const server = createServer(
    {
      ca: authority,
      cert: certificate,
      key,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      allowHalfOpen: true,
    },
    (outer) => {
      const inner = connect({ path: socket, allowHalfOpen: true });
      const breakOff = () => {
        outer.destroy();
        inner.destroy();
      };
      outer.on("error", breakOff);
      inner.on("error", breakOff);
      outer.on("close", () => inner.destroy());
      // What is still on its way to the client is no longer the inner connection's.
      inner.on("close", () => outer.end());
      outer.pipe(inner);
      inner.pipe(outer);
    },
  );
  // A client that is refused learns it from TLS itself.
  server.on("tlsClientError", () => undefined);
  server.listen(where);
  await once(server, "listening");
  return server;
}
