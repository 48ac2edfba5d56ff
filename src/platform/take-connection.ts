import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What the runtime keeps of a connection under symbols; the methods are those that its own "upgrade" event uses. */
type Hidden = Record<symbol, unknown>;
interface NativeConnection {
  upgradeToTunnel(hasBody: boolean, response: unknown): void;
}

/**
 * Take the connection of a request away from the HTTP server: what the client sends from here on comes from the socket
 * that this gives, behind the request's body, which is still read from the request. Only while the server hands the
 * request over (its "request" event), and `response` is of no use afterwards. What had come together with the head of a
 * request without a body is lost.
 *
 * Node gives away the connections of clients that ask for an upgrade (RFC 9110, 7.8) and no others; the Engine API's
 * attach and exec give away any (Docker's "hijacking"). So this is what Bun does before its event "upgrade", through
 * fields that have no public names. Throws an Error when the runtime has other ones; its version is pinned.
 */
export function takeConnection(request: IncomingMessage, response: ServerResponse): Socket {
  const { socket } = request;
  const hasBody =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  const connection = hidden(socket, "handle") as NativeConnection;
  const answer = hidden(response, "handle");
  const stream = hidden(socket, "kEnableStreaming") as (this: Socket, on: boolean) => void;
  response.detachSocket(socket);
  connection.upgradeToTunnel(hasBody, answer);
  setHidden(socket, "kHandoffResponse", answer);
  stream.call(socket, true);
  setHidden(socket, "http.server.socketHandedOff", true);
  if (hasBody) {
    setHidden(socket, "kUpgradeIncoming", request);
    request.once("end", () => setHidden(socket, "kUpgradeIncoming", undefined));
  }
  for (const event of ["error", "timeout"]) socket.removeAllListeners(event);
  return socket;
}

function symbolOf(from: object, description: string): symbol {
  for (let at: object | null = from; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description);
    if (found !== undefined) return found;
  }
  throw new Error(`this runtime has no ${description} by which a connection could be taken over`);
}

const hidden = (from: object, description: string): unknown => (from as Hidden)[symbolOf(from, description)];

function setHidden(of: object, description: string, value: unknown): void {
  (of as Hidden)[symbolOf(of, description)] = value;
}
