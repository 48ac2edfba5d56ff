import { EngineError, invalid } from "../errors/index.ts";
import type { Filters } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import type { ContainerRecord } from "./record.ts";
import { exitCodeOf } from "./state.ts";

type Predicate = (record: ContainerRecord) => boolean;

const STATUSES = new Set(["created", "restarting", "running", "removing", "paused", "exited", "dead"]);

/**
 * What `ps --filter` keeps, by Docker's rules: the values of one key are alternatives (labels all have to fit), and
 * every key has to fit. Throws invalid for a value that can never fit, not-found for an unknown before/since.
 */
export function containerFilter(context: ContainerContext, filters: Filters): Predicate {
  const predicates = [...filters]
    .filter(([, values]) => values.size > 0)
    .map(([key, values]) => forKey(context, key, [...values]));
  return (record) => predicates.every((predicate) => predicate(record));
}

function forKey(context: ContainerContext, key: string, values: string[]): Predicate {
  switch (key) {
    case "id":
      return ({ id }) => values.some((value) => id.startsWith(value));
    case "name":
      return any(values.map(namePattern));
    case "label":
      return ({ definition }) => values.every((value) => hasLabel(definition.config.Labels, value));
    case "label!":
      return ({ definition }) => values.every((value) => !hasLabel(definition.config.Labels, value));
    case "status":
      for (const value of values) if (!STATUSES.has(value)) throw invalid(`invalid filter 'status=${value}'`);
      return ({ state }) => values.includes(state.status);
    case "exited": {
      const codes = values.map((value) => integer("exited", value));
      return ({ state }) => state.status === "exited" && codes.includes(exitCodeOf(state));
    }
    case "ancestor":
      return ancestors(context, values);
    case "before": {
      const bounds = values.map((value) => context.table.find(value).createdAtNs);
      return ({ createdAtNs }) => bounds.every((bound) => createdAtNs < bound);
    }
    case "since": {
      const bounds = values.map((value) => context.table.find(value).createdAtNs);
      return ({ createdAtNs }) => bounds.every((bound) => createdAtNs > bound);
    }
    case "volume":
      return ({ definition }) =>
        definition.mounts.some(({ Name, Source, Destination }) =>
          values.some((value) => value === Name || value === Source || value === Destination),
        );
    case "network":
      return ({ id }) =>
        Object.entries(context.network.describe(id).networks).some(([name, { NetworkID }]) =>
          values.some((value) => value === name || (value !== "" && NetworkID.startsWith(value))),
        );
    case "publish": {
      const ports = values.flatMap(portRange);
      return (record) => {
        const bound = context.network.describe(record.id).ports;
        return Object.entries(bound).some(
          ([key, bindings]) =>
            bindings !== null &&
            ports.some((port) => bindings.some((b) => `${b.HostPort}/${key.split("/")[1]}` === port)),
        );
      };
    }
    case "expose": {
      const ports = values.flatMap(portRange);
      return ({ definition }) =>
        Object.keys(definition.config.ExposedPorts ?? {}).some((port) => ports.includes(port));
    }
    case "health":
      for (const value of values) {
        if (!["starting", "healthy", "unhealthy", "none"].includes(value))
          throw invalid(`invalid filter 'health=${value}'`);
      }
      return ({ id }) => values.includes(context.live.peek(id)?.health?.Status ?? "none");
    case "is-task":
      return () => !values.includes("true");
    case "isolation":
      return () => true;
    default:
      throw invalid(`invalid filter '${key}'`);
  }
}

const any =
  (predicates: readonly Predicate[]): Predicate =>
  (record) =>
    predicates.some((predicate) => predicate(record));

/** A name filter is a regular expression tried on the name with and without its slash; a broken one is taken literally. */
function namePattern(value: string): Predicate {
  const matches = literalOrPattern(value);
  return ({ name }) => matches(name) || matches(`/${name}`);
}

function literalOrPattern(value: string): (text: string) => boolean {
  // Bounded: a hostile pattern may not hold up the daemon by backtracking, so only plain ones become expressions.
  if (value.length > 256 || /[+*}]\)?[+*{]|\(.*[|+*].*\)[+*{]/.test(value))
    return (text) => text.includes(value);
  try {
    const pattern = new RegExp(value);
    return (text) => pattern.test(text);
  } catch (error) {
    if (error instanceof SyntaxError) return (text) => text.includes(value);
    throw error;
  }
}

function hasLabel(labels: Record<string, string>, wanted: string): boolean {
  const at = wanted.indexOf("=");
  return at < 0 ? labels[wanted] !== undefined : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
}

function ancestors(context: ContainerContext, values: readonly string[]): Predicate {
  const ids = new Set(values.map((value) => imageId(context, value)));
  return ({ definition }) => ids.has(definition.imageId) || values.includes(definition.config.Image);
}

/** An ancestor that is no image (any more) matches by name only. */
function imageId(context: ContainerContext, reference: string): string | undefined {
  try {
    return context.images.inspect(reference).Id;
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function integer(key: string, value: string): number {
  if (!/^\d+$/.test(value)) throw invalid(`invalid filter '${key}=${value}'`);
  return Number(value);
}

/** "80", "80/udp", "8000-8005/tcp" as "port/protocol" keys. */
function portRange(value: string): string[] {
  const [, first = "", last = first, protocol = "tcp"] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(value) ?? [];
  if (first === "" || Number(last) > 65_535 || Number(last) < Number(first))
    throw invalid(`invalid filter 'publish=${value}'`);
  return Array.from(
    { length: Number(last) - Number(first) + 1 },
    (_, i) => `${Number(first) + i}/${protocol}`,
  );
}
