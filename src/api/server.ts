import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readFileSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Engine } from "../daemon/index.ts";
import { conflict, EngineError, type ErrorKind, errnoOf, invalid, messageOf } from "../errors/index.ts";
import type { Log } from "../log/index.ts";
import { isInUserNamespace, takeConnection } from "../platform/index.ts";
import { absentRoutes } from "./absent.ts";
import { buildRoutes } from "./build.ts";
import { containerRoutes } from "./containers.ts";
import { execRoutes } from "./exec.ts";
import { fileRoutes } from "./files.ts";
import { imageRoutes } from "./images.ts";
import { networkRoutes } from "./networks.ts";
import { Query } from "./parse/query.ts";
import { registryRoutes } from "./registries.ts";
import { createRouter } from "./router.ts";
import { systemRoutes } from "./system.ts";
import { listenTls, type TlsFront } from "./tls-front.ts";
import { volumeRoutes } from "./volumes.ts";

export interface ApiServerOptions {
  readonly log: Log;
  readonly engineVersion: string;
  /** "1.51" */
  readonly apiVersion: string;
  readonly minApiVersion: string;
  /** Of all hosts that are no unix sockets; undefined: those have to be loopback's. */
  readonly tls: TlsFront | undefined;
}

export interface ApiServer extends AsyncDisposable {
  /** "unix:///PATH" or "tcp://127.0.0.1:PORT". Throws invalid or conflict. */
  listen(host: string): Promise<void>;
  close(): Promise<void>;
}

const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  "not-modified": 304,
  unsupported: 501,
  unavailable: 503,
  cancelled: 499,
  internal: 500,
};

/** How a stream fails whose other end was closed. */
const BROKEN_OFF = new Set([
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
  "ABORT_ERR",
  "EPIPE",
  "ECONNRESET",
]);

/** The requests after which a connection carries a container's stdio, whether the client asked for an upgrade or not. */
const TAKES_CONNECTION = /^(?:\/v[\d.]+)?\/(?:containers\/[^/]+\/attach|exec\/[^/]+\/start)(?:\?|$)/;

/** The Docker Engine API over HTTP/1.1: requests in, calls of the engine, answers out. */
export function createApiServer(engine: Engine, options: ApiServerOptions): ApiServer {
  const route = createRouter([
    systemRoutes,
    absentRoutes,
    buildRoutes,
    containerRoutes,
    execRoutes,
    fileRoutes,
    imageRoutes,
    registryRoutes,
    networkRoutes,
    volumeRoutes,
  ]);
  const newest = versionNumber(options.apiVersion);
  const oldest = versionNumber(options.minApiVersion);
  const headers: readonly [string, string][] = [
    ["Api-Version", options.apiVersion],
    ["Docker-Experimental", "false"],
    ["Ostype", "linux"],
    ["Server", `Docker/${options.engineVersion} (linux)`],
  ];
  const sockets = new Set<Socket>();
  const servers: { close(): unknown }[] = [];
  let isBehindTls = false;

  async function handle(request: IncomingMessage, response: ServerResponse, taken?: Socket): Promise<void> {
    for (const [name, value] of headers) response.setHeader(name, value);
    const target = request.url ?? "/";
    const mark = target.indexOf("?");
    const rawPath = mark < 0 ? target : target.slice(0, mark);
    const [, versionText, rest] = /^\/v(\d+\.\d+)(\/.*)$/.exec(rawPath) ?? [undefined, undefined, rawPath];
    const method = request.method ?? "GET";
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    try {
      const version = versionText === undefined ? newest : checkVersion(versionText);
      if (rest === "/_ping") return ping(method, response);
      if (method === "OPTIONS") return void response.writeHead(200, { "Content-Length": 0 }).end();
      const match = route(method, rest ?? "/");
      if (match === undefined) throw new EngineError("not-found", "page not found");
      const query = new Query(new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)));
      await match.handler({
        engine,
        request,
        response,
        path: match.path,
        query,
        version,
        gone: gone.signal,
        taken,
      });
    } catch (error) {
      // An answer that its reader no longer wants is no fault of anybody's.
      if (gone.signal.aborted && BROKEN_OFF.has(errnoOf(error) ?? ""))
        options.log.debug(`${method} ${rawPath}: the client went away`);
      else fail(error, `${method} ${rawPath}`, response);
      // A client reads the answer only when it has got rid of its body.
      request.resume();
    }
  }

  function checkVersion(text: string): number {
    const version = versionNumber(text);
    if (version < oldest) {
      throw invalid(
        `client version ${text} is too old. Minimum supported API version is ${options.minApiVersion}, please upgrade your client to a newer version`,
      );
    }
    if (version > newest)
      throw invalid(
        `client version ${text} is too new. Maximum supported API version is ${options.apiVersion}`,
      );
    return version;
  }

  function ping(method: string, response: ServerResponse): void {
    response.writeHead(200, {
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Length": 2,
      "Builder-Version": "1",
      "Cache-Control": "no-cache, no-store, must-revalidate",
      Pragma: "no-cache",
      Swarm: "inactive",
    });
    response.end(method === "HEAD" ? undefined : "OK");
  }

  function fail(error: unknown, what: string, response: ServerResponse): void {
    const kind = error instanceof EngineError ? error.kind : "internal";
    if (kind === "internal")
      options.log.error(`${what}: ${messageOf(error)}`, {
        stack: error instanceof Error ? (error.stack ?? "") : "",
      });
    else options.log.debug(`${what}: ${messageOf(error)}`);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const status = STATUS[kind];
    if (status === 304) {
      response.writeHead(304).end();
      return;
    }
    const body = `${JSON.stringify({ message: messageOf(error) })}\n`;
    response.writeHead(status, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(body);
  }

  /** Handle a request on a connection that the HTTP server has let go of. */
  function hand(request: IncomingMessage, socket: Socket): void {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    handle(request, answerOn(socket, request), socket).catch((error) => {
      options.log.error(messageOf(error));
      socket.destroy();
    });
  }

  function build(): ReturnType<typeof createServer> {
    const server = createServer(
      { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 60_000 },
      (request, response) => {
        if (request.method === "POST" && TAKES_CONNECTION.test(request.url ?? ""))
          hand(request, takeConnection(request, response));
        else handle(request, response).catch((error) => options.log.error(messageOf(error)));
      },
    );
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // What a client sends without waiting for the answer already belongs to the stream.
      if (head.length > 0) socket.unshift(head);
      hand(request, socket);
    });
    servers.push(server);
    return server;
  }

  return {
    async listen(host) {
      const unix = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
      if (unix !== undefined) {
        await removeStale(unix);
        await listening(build(), { path: unix });
        // In a user namespace the user's own alone.
        const isOfUser = isInUserNamespace();
        chmodSync(unix, isOfUser ? 0o600 : 0o660);
        const group = isOfUser ? undefined : groupNamed("docker");
        if (group !== undefined) chownSync(unix, 0, group);
        return;
      }
      if (options.tls !== undefined) return listenWithTls(options.tls, host);
      const [, address, port] = /^tcp:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d+)$/.exec(host) ?? [];
      if (address === undefined) {
        throw invalid(
          `cannot listen on ${host}: use unix:///PATH, or tcp:// with a loopback address (other addresses need --tlsverify)`,
        );
      }
      await listening(build(), { host: address.replace(/[[\]]/g, ""), port: Number(port) });
    },
    close,
    [Symbol.asyncDispose]: close,
  };

  /** All addresses lead to the one socket behind them. */
  async function listenWithTls(tls: TlsFront, host: string): Promise<void> {
    const [, address = "", port] = /^tcp:\/\/([^:/]*|\[[0-9a-fA-F:]+\]):(\d+)$/.exec(host) ?? [];
    if (port === undefined) throw invalid(`cannot listen on ${host}: use unix:///PATH or tcp://ADDRESS:PORT`);
    if (!isBehindTls) {
      isBehindTls = true;
      await removeStale(tls.socket);
      await listening(build(), { path: tls.socket });
      chmodSync(tls.socket, 0o600);
    }
    const where = { host: address.replace(/[[\]]/g, "") || "0.0.0.0", port: Number(port) };
    servers.push(await listenTls(tls, where));
  }

  async function close(): Promise<void> {
    for (const server of servers.splice(0)) server.close();
    for (const socket of sockets) socket.destroy();
  }
}

async function listening(
  server: ReturnType<typeof createServer>,
  where: { path: string } | { host: string; port: number },
): Promise<void> {
  server.listen(where);
  await once(server, "listening");
}

/** A socket's name that a dead daemon left is taken over; a live one's is not. */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const probe = connect(path);
  const alive = await Promise.race([
    once(probe, "connect").then(() => true),
    once(probe, "error").then(() => false),
  ]).catch(() => false);
  probe.destroy();
  if (alive) throw conflict(`another daemon listens on unix://${path}`);
  unlinkSync(path);
}

function groupNamed(name: string): number | undefined {
  const entry = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
  return entry === undefined ? undefined : Number(entry.split(":")[2]);
}

/** A response on a connection that node has let go of, for errors before it is handed over. */
function answerOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  response.shouldKeepAlive = false;
  response.on("finish", () => socket.end());
  return response;
}

/** "1.41" as 141. */
function versionNumber(text: string): number {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  return major * 100 + minor;
}
