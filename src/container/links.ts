import { EngineError, internal, invalid } from "../errors/index.ts";
import { parseLink, parsePortKey } from "../network/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./state.ts";

/**
 * Links of the default bridge (`--link`), Docker's oldest way to tell containers of each other: a line in /etc/hosts,
 * which the networks write, and variables with the other's ports and environment. A user's network has names instead.
 */
const DEFAULT_NETWORK = "bridge";
const isLegacy = ({ definition }: ContainerRecord): boolean =>
  definition.hostConfig.NetworkMode === DEFAULT_NETWORK;

/** The links of a container to be made, with their targets as ids, which stay when these are renamed. Throws invalid. */
export function resolveLinks(
  context: Pick<ContainerContext, "table">,
  record: ContainerRecord,
): string[] | null {
  const { Links: links } = record.definition.hostConfig;
  if (links === null || !isLegacy(record)) return links;
  return links.map((link) => {
    const { target, alias } = parseLink(link);
    if (target === "" || alias === "") throw invalid(`bad format for links: ${link}`);
    try {
      return `${context.table.find(target).id}:${alias}`;
    } catch (cause) {
      // To "not found" Docker's client answers by pulling the image.
      if (!(cause instanceof EngineError) || cause.kind !== "not-found") throw cause;
      throw invalid(`could not get container for ${target}: ${cause.message}`, { cause });
    }
  });
}

/** HostConfig.Links as inspect shows them: "/TARGET:/NAME/ALIAS". */
export function describeLinks(
  context: Pick<ContainerContext, "table">,
  record: ContainerRecord,
): string[] | null {
  const { Links: links } = record.definition.hostConfig;
  if (links === null || !isLegacy(record)) return links === null ? null : [...links];
  return links.flatMap((link) => {
    const { target, alias } = parseLink(link);
    const other = context.table.get(target);
    return other === undefined ? [] : [`/${other.name}:/${record.name}/${alias}`];
  });
}

/**
 * The variables that a container's links give to it. A start requires every link to lead to a running container and
 * throws internal in Docker's words for one that does not; processes that come later do without.
 */
export function linkEnvironment(
  context: Pick<ContainerContext, "table" | "network">,
  record: ContainerRecord,
  { required }: { required: boolean },
): string[] {
  if (!isLegacy(record)) return [];
  return (record.definition.hostConfig.Links ?? []).flatMap((link) => {
    const { target, alias } = parseLink(link);
    const other = context.table.get(target);
    if (!required && (other === undefined || !isRunning(other.state))) return [];
    if (other === undefined) throw internal(`No such container: ${target}`);
    if (!isRunning(other.state))
      throw internal(`Cannot link to a non running container: /${other.name} AS /${record.name}/${alias}`);
    const settings = context.network.describe(other.id).networks[DEFAULT_NETWORK];
    if (settings === undefined)
      throw internal(`Cannot link to /${other.name}, as it does not belong to the default network`);
    const { ExposedPorts: exposed, Env: environment } = other.definition.config;
    return variablesOf({
      name: `/${record.name}/${alias}`,
      alias,
      address: settings.IPAddress,
      ports: Object.keys(exposed ?? {}),
      environment,
    });
  });
}

export interface LinkTarget {
  /** "/me/alias" */
  readonly name: string;
  readonly alias: string;
  readonly address: string;
  /** "80/tcp" */
  readonly ports: readonly string[];
  readonly environment: readonly string[];
}

/** Variables that every container has for itself. */
const OWN_VARIABLES = new Set(["HOME", "PATH"]);
/** Fewer ports in a row than this are told one by one only. */
const SHORTEST_RANGE = 3;

/** What one link gives, in Docker's order. */
export function variablesOf({ name, alias, address, ports, environment }: LinkTarget): string[] {
  const prefix = alias.toUpperCase().replaceAll("-", "_");
  const sorted = ports
    .map(parsePortKey)
    .sort(
      (a, b) =>
        Number(b.protocol === "tcp") - Number(a.protocol === "tcp") ||
        a.protocol.localeCompare(b.protocol) ||
        a.port - b.port,
    );
  const keyOf = ({ port, protocol }: Port) => `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
  const urlOf = ({ port, protocol }: Port) => `${protocol}://${address}:${port}`;
  const [first] = sorted;
  return [
    ...(first === undefined ? [] : [`${prefix}_PORT=${urlOf(first)}`]),
    ...rangesOf(sorted).flatMap(({ start, end }) => [
      `${keyOf(start)}_START=${urlOf(start)}`,
      `${keyOf(start)}_PORT_START=${start.port}`,
      `${keyOf(start)}_END=${urlOf(end)}`,
      `${keyOf(start)}_PORT_END=${end.port}`,
    ]),
    ...sorted.flatMap((port) => [
      `${keyOf(port)}=${urlOf(port)}`,
      `${keyOf(port)}_ADDR=${address}`,
      `${keyOf(port)}_PORT=${port.port}`,
      `${keyOf(port)}_PROTO=${port.protocol}`,
    ]),
    `${prefix}_NAME=${name}`,
    ...environment.flatMap((entry) => {
      const at = entry.indexOf("=");
      return at < 0 || OWN_VARIABLES.has(entry.slice(0, at)) ? [] : [`${prefix}_ENV_${entry}`];
    }),
  ];
}

type Port = ReturnType<typeof parsePortKey>;

/** Ports of one protocol that follow each other without a gap. */
function rangesOf(sorted: readonly Port[]): { start: Port; end: Port }[] {
  const runs: Port[][] = [];
  for (const port of sorted) {
    const last = runs.at(-1);
    const before = last?.at(-1);
    if (before?.protocol === port.protocol && before.port + 1 === port.port) last?.push(port);
    else runs.push([port]);
  }
  return runs.flatMap((run) => {
    const [start, end] = [run[0], run.at(-1)];
    return start === undefined || end === undefined || run.length < SHORTEST_RANGE ? [] : [{ start, end }];
  });
}
