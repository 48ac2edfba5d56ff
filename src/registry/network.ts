import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { Agent as PlainAgent } from "node:http";
import { type AgentOptions, Agent as TlsAgent } from "node:https";
import { join } from "node:path";
import { invalid } from "../errors/index.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";
import { type Endpoint, isInsecure, isLoopback, mirrorsOf, type RegistryRules } from "./rules.ts";
import type { Connector } from "./transport.ts";

/** Where Docker's default registry really answers. */
const HOSTS: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** Bundles of the authorities that the machine trusts, by distribution. */
const AUTHORITY_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

export interface RegistryNetworkOptions {
  readonly rules: RegistryRules;
  /**
   * FOLDER/HOST[:PORT]/ holds what one registry needs, in the layout of Docker's certs.d: NAME.crt are authorities,
   * NAME.cert and NAME.key a client certificate. Undefined: none.
   */
  readonly certificates?: string;
  /** HTTP_PROXY, HTTPS_PROXY, NO_PROXY in either case, and SSL_CERT_FILE; the process's own unless given. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly retry?: RetryPolicy;
}

/** How this machine reaches registries. One for the life of a daemon: connections and what hosts speak are remembered. */
export class RegistryNetwork {
  readonly retry: RetryPolicy;
  readonly #options: RegistryNetworkOptions;
  /** By origin, each with the certificates that it was made of: an administrator may add some at any time. */
  readonly #connectors = new Map<string, { readonly connector: Connector; readonly certificates: string }>();
  /** What insecure hosts were found to speak. */
  readonly #schemes = new Map<string, "http" | "https">();

  constructor(options: RegistryNetworkOptions) {
    this.#options = options;
    this.retry = options.retry ?? DEFAULT_RETRY;
  }

  /** Where to read a repository: mirrors first, the registry itself last. Writing goes to the last alone. */
  endpoints(registry: string, path: string): readonly Endpoint[] {
    const own: Endpoint = { host: HOSTS[registry] ?? registry, path, scheme: undefined };
    return [...mirrorsOf(this.#options.rules, registry, path), own];
  }

  hasMirrors(registry: string, path: string): boolean {
    return mirrorsOf(this.#options.rules, registry, path).length > 0;
  }

  isInsecure(host: string): boolean {
    return isInsecure(this.#options.rules, host);
  }

  /** Schemes to try for an endpoint, the likely one first. */
  schemes({ host, scheme }: Endpoint): readonly ("http" | "https")[] {
    if (scheme !== undefined) return [scheme];
    if (!this.isInsecure(host)) return ["https"];
    return this.#schemes.get(host) === "http" ? ["http", "https"] : ["https", "http"];
  }

  remember(host: string, scheme: "http" | "https"): void {
    this.#schemes.set(host, scheme);
  }

  /** Throws invalid for a broken folder of certificates. */
  connector(url: URL): Connector {
    const certificates =
      url.protocol === "http:" ? "" : certificateState(this.#options.certificates, url.host);
    const known = this.#connectors.get(url.origin);
    if (known !== undefined && known.certificates === certificates) return known.connector;
    const connector = { agent: this.#agent(url) };
    this.#connectors.set(url.origin, { connector, certificates });
    return connector;
  }

  #agent(url: URL): TlsAgent {
    const environment = this.#options.environment ?? process.env;
    // As with Go's clients, loopback is never reached through a proxy.
    const proxy = isLoopback(url.host) ? {} : { proxyEnv: proxyVariables(environment) };
    // Node's own types keep the two kinds apart, though either takes the other's place in a request.
    if (url.protocol === "http:") return new PlainAgent({ keepAlive: true, ...proxy }) as TlsAgent;
    return new TlsAgent({ keepAlive: true, ...proxy, ...this.#trust(url.host, environment) });
  }

  #trust(host: string, environment: Readonly<Record<string, string | undefined>>): AgentOptions {
    const own = readCertificates(this.#options.certificates, host);
    if (this.isInsecure(host)) return { ...own.client, rejectUnauthorized: false };
    const bundle = environment.SSL_CERT_FILE ?? AUTHORITY_BUNDLES.find((file) => existsSync(file));
    const authorities = [...own.authorities, ...(bundle === undefined ? [] : [readFileSync(bundle, "utf8")])];
    return { ...own.client, ...(authorities.length === 0 ? {} : { ca: authorities }) };
  }
}

function proxyVariables(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

interface Certificates {
  readonly authorities: readonly string[];
  readonly client: { cert?: string; key?: string };
}

/** Changes whenever the files of a registry's folder do. */
function certificateState(folder: string | undefined, host: string): string {
  const place = folder === undefined ? undefined : join(folder, host);
  if (place === undefined || !existsSync(place)) return "";
  const describe = (name: string) => {
    const status = statSync(join(place, name), { throwIfNoEntry: false });
    return `${name} ${status?.mtimeMs} ${status?.size}`;
  };
  return readdirSync(place).sort().map(describe).join("\n");
}

function readCertificates(folder: string | undefined, host: string): Certificates {
  const place = folder === undefined ? undefined : join(folder, host);
  if (place === undefined || !existsSync(place)) return { authorities: [], client: {} };
  const names = readdirSync(place).sort();
  const read = (name: string) => readFileSync(join(place, name), "utf8");
  const authorities = names.filter((name) => name.endsWith(".crt")).map(read);
  const [certificate] = names.filter((name) => name.endsWith(".cert"));
  if (certificate === undefined) {
    const [key] = names.filter((name) => name.endsWith(".key"));
    if (key !== undefined)
      throw invalid(`missing client certificate ${key.replace(/key$/, "cert")} for key ${key} in ${place}`);
    return { authorities, client: {} };
  }
  const key = certificate.replace(/cert$/, "key");
  if (!names.includes(key))
    throw invalid(`missing key ${key} for client certificate ${certificate} in ${place}`);
  return { authorities, client: { cert: read(certificate), key: read(key) } };
}
