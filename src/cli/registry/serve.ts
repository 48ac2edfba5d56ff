import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { invalid } from "../../errors/index.ts";
import { createLog, type Log, type LogOptions } from "../../log/index.ts";
import {
  type AccessControl,
  DEFAULT_LIMITS,
  htpasswdAccess,
  openAccess,
  openRegistryServer,
  type RegistryServerOptions,
  readTrustedKeys,
  tokenAccess,
  type UpstreamOptions,
} from "../../registry/server/index.ts";
import { parseBytes } from "../../units/index.ts";
import { bool, type Command, int, string } from "../command/command.ts";
import type { FlagValues } from "../command/flags.ts";
import { announceReady, signalled } from "../terminal/server-process.ts";
import { durationMs, requiredFolder } from "./flags.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;

/** `gantry registry serve`: a registry until SIGTERM or SIGINT. It needs no daemon. */
export const serve: Command = {
  name: "registry serve",
  usage: "[OPTIONS] --storage DIR",
  description:
    "Run a registry: push and pull with any client of the OCI distribution protocol.\nThe log goes to stderr as JSON lines; /health and /metrics tell how it does.",
  minArgs: 0,
  maxArgs: 0,
  flags: [
    string("storage", "Folder of all that the registry keeps (made when missing)", { type: "DIR" }),
    string("addr", "Where to listen; port 0 takes a free one", {
      fallback: "127.0.0.1:5000",
      type: "HOST:PORT",
    }),
    string("metrics-addr", "Serve /metrics here instead, without TLS", { type: "HOST:PORT" }),
    string("tls-cert", "Certificate (chain) for HTTPS, PEM", { type: "FILE" }),
    string("tls-key", "Private key of the certificate, PEM", { type: "FILE" }),
    string("tls-client-ca", "Serve only clients with a certificate of this authority, PEM", { type: "FILE" }),
    string("htpasswd", "Ask for a name and password of this file (htpasswd -B writes it)", { type: "FILE" }),
    string("token-realm", "Ask for a token of the token server at this URL", { type: "URL" }),
    string("token-service", "This registry's name at the token server"),
    string("token-issuer", "The token server's name in its tokens"),
    string("token-key", "The token server's public keys: PEM keys or certificates, or a JSON web key set", {
      type: "FILE",
    }),
    string("proxy", "Serve the content of the registry at this URL, and keep what was asked for", {
      type: "URL",
    }),
    string("proxy-username", "Name to log in with at the registry behind the cache"),
    string("proxy-password-file", "File with the password for it", { type: "FILE" }),
    string("proxy-fresh", "Time before a cached tag is checked against the registry behind the cache", {
      fallback: "1m",
      type: "duration",
    }),
    string("quota", "Refuse pushes beyond so many bytes (a cache drops what was not asked for longest)", {
      type: "bytes",
    }),
    bool("read-only", "Refuse pushes and deletes"),
    bool("no-delete", "Refuse deletes"),
    string("gc-interval", "Time between garbage collections; 0 collects none", {
      fallback: "1h",
      type: "duration",
    }),
    string("gc-grace", "Time that what nothing names is kept", { fallback: "1h", type: "duration" }),
    bool("gc-untagged", "Count manifests as garbage that no tag, index or subject leads to"),
    string("upload-expiry", "Time after which an upload that stands still is cancelled", {
      fallback: "24h",
      type: "duration",
    }),
    int("max-connections", "Turn clients away beyond so many connections", { fallback: "4096" }),
    string("log-level", `One of ${LEVELS.join(", ")}`, { fallback: "info" }),
  ],
  async run({ flags }) {
    const stop = signalled("SIGTERM", "SIGINT");
    const { host, port } = parseAddress("addr", flags.string("addr"));
    const metricsAddress = flags.optional("metrics-addr");
    const log = await createLog({ level: parseLevel(flags.string("log-level")) });
    await using server = await openRegistryServer(parseOptions(flags, log));
    if (metricsAddress !== undefined) {
      const address = parseAddress("metrics-addr", metricsAddress);
      log.info(`metrics on ${(await server.listen(address.host, address.port, "metrics")).url}`);
    }
    const { url } = await server.listen(host, port, "registry");
    log.info(`listening on ${url}`);
    announceReady(url);
    log.info(`${await stop}: the registry stops`);
    return 0;
  },
};

function parseOptions(flags: FlagValues, log: Log): RegistryServerOptions {
  const quota = flags.optional("quota");
  const tls = parseTls(flags);
  const upstream = parseUpstream(flags);
  const maxConnections = Number(flags.string("max-connections"));
  if (!(maxConnections > 0)) throw invalid("invalid --max-connections: want a number above 0");
  return {
    log,
    storage: requiredFolder(flags),
    ...(quota === undefined ? {} : { quotaBytes: parseBytes(quota) }),
    ...(tls === undefined ? {} : { tls }),
    ...(upstream === undefined ? {} : { upstream }),
    readOnly: flags.bool("read-only"),
    deletes: !flags.bool("no-delete"),
    access: parseAccess(flags, log),
    collectEveryMs: durationMs(flags, "gc-interval"),
    graceMs: durationMs(flags, "gc-grace"),
    collectUntagged: flags.bool("gc-untagged"),
    uploadExpiryMs: durationMs(flags, "upload-expiry"),
    limits: { ...DEFAULT_LIMITS, maxConnections },
  };
}

function parseAddress(flag: string, text: string): { host: string; port: number } {
  const [, ipv6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535) {
    throw invalid(`invalid --${flag} ${text}: want HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000`);
  }
  return { host: ipv6 ?? (name === undefined || name === "" ? "0.0.0.0" : name), port: Number(port) };
}

function parseLevel(text: string): LogOptions["level"] {
  const level = LEVELS.find((known) => known === text);
  if (level === undefined) throw invalid(`invalid --log-level ${text}: use one of ${LEVELS.join(", ")}`);
  return level;
}

function parseTls(flags: FlagValues): RegistryServerOptions["tls"] {
  const [certificate, key, clientCa] = ["tls-cert", "tls-key", "tls-client-ca"].map((name) =>
    flags.optional(name),
  );
  if (certificate === undefined && key === undefined && clientCa === undefined) return undefined;
  if (certificate === undefined || key === undefined)
    throw invalid("TLS needs both --tls-cert and --tls-key");
  return {
    certificate: readFileSync(certificate, "utf8"),
    key: readFileSync(key, "utf8"),
    ...(clientCa === undefined ? {} : { clientCa: readFileSync(clientCa, "utf8") }),
  };
}

function parseAccess(flags: FlagValues, log: Log): AccessControl {
  const htpasswd = flags.optional("htpasswd");
  const token = ["token-realm", "token-service", "token-issuer", "token-key"].map((name) =>
    flags.optional(name),
  );
  const [realm, service, issuer, key] = token;
  if (htpasswd !== undefined) {
    if (token.some((value) => value !== undefined))
      throw invalid("use --htpasswd or the --token flags, not both");
    return htpasswdAccess(resolve(htpasswd), "gantry registry", log);
  }
  if (token.every((value) => value === undefined)) return openAccess;
  if (realm === undefined || service === undefined || issuer === undefined || key === undefined) {
    throw invalid("tokens need all of --token-realm, --token-service, --token-issuer and --token-key");
  }
  if (!URL.canParse(realm)) throw invalid(`invalid --token-realm ${realm}: want a URL`);
  return tokenAccess({ realm, service, issuer, keys: readTrustedKeys(key) });
}

function parseUpstream(flags: FlagValues): UpstreamOptions | undefined {
  const url = flags.optional("proxy");
  const username = flags.optional("proxy-username");
  const passwordFile = flags.optional("proxy-password-file");
  if ((username === undefined) !== (passwordFile === undefined)) {
    throw invalid("credentials need both --proxy-username and --proxy-password-file");
  }
  if (url === undefined) {
    if (username !== undefined) throw invalid("--proxy-username means nothing without --proxy");
    return undefined;
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid(`invalid --proxy ${url}: want the http or https URL of a registry`);
  }
  return {
    url,
    freshMs: durationMs(flags, "proxy-fresh"),
    ...(username === undefined || passwordFile === undefined
      ? {}
      : { credentials: { username, password: readFileSync(passwordFile, "utf8").replace(/\r?\n$/, "") } }),
  };
}
