import { invalid, notFound } from "../../errors/index.ts";
import type { Filters } from "../../wire/index.ts";
import type { NetworkContext } from "../context.ts";
import type { NetworkRecord } from "../record.ts";

/** By full id, name, or unambiguous beginning of an id. Throws not-found or invalid. */
export function findNetwork({ table }: Pick<NetworkContext, "table">, reference: string): NetworkRecord {
  const all = table.networks();
  const name = reference === "" || reference === "default" ? "bridge" : reference;
  const exact = all.find(({ id }) => id === name) ?? all.find((network) => network.name === name);
  if (exact !== undefined) return exact;
  const [first, second] = all.filter(({ id }) => id.startsWith(name));
  if (first === undefined) throw notFound(`network ${reference} not found`);
  if (second !== undefined)
    throw invalid(`network ${reference} is ambiguous (2 matches found based on ID prefix)`);
  return first;
}

/** What `network ls --filter` keeps. Throws invalid for a value that can never fit. */
export function networkFilter(
  { table }: Pick<NetworkContext, "table">,
  filters: Filters,
): (network: NetworkRecord) => boolean {
  const checks = [...filters].map(([key, values]) => forKey({ table }, key, [...values]));
  return (network) => checks.every((check) => check(network));
}

function forKey(
  { table }: Pick<NetworkContext, "table">,
  key: string,
  values: readonly string[],
): (network: NetworkRecord) => boolean {
  switch (key) {
    case "name":
      return ({ name }) => values.some((value) => name.includes(value));
    case "id":
      return ({ id }) => values.some((value) => id.startsWith(value));
    case "driver":
      return ({ driver }) => values.includes(driver);
    case "scope":
      return () => values.includes("local");
    case "type":
      for (const value of values)
        if (value !== "builtin" && value !== "custom") throw invalid(`invalid filter: 'type'='${value}'`);
      return ({ predefined }) => values.includes(predefined ? "builtin" : "custom");
    case "label":
      return ({ labels }) => values.every((value) => hasLabel(labels, value));
    case "label!":
      return ({ labels }) => values.every((value) => !hasLabel(labels, value));
    case "dangling": {
      const wanted = values.map((value) => {
        if (/^(1|true)$/i.test(value)) return true;
        if (/^(0|false)$/i.test(value)) return false;
        throw invalid(`invalid value for 'dangling' filter: "${value}"`);
      });
      return ({ id, predefined }) => {
        const dangling = !predefined && table.endpointsIn(id).every(({ live }) => live === undefined);
        return wanted.includes(dangling);
      };
    }
    default:
      throw invalid(`invalid filter '${key}'`);
  }
}

export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf("=");
  return at < 0 ? labels[wanted] !== undefined : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
}
