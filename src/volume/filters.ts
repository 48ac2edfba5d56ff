import { invalid } from "../errors/index.ts";
import type { Filters } from "../wire/index.ts";
import type { Volume } from "./service.ts";

/** What `volume ls --filter` keeps. Throws invalid for a value that can never fit. */
export function volumeFilter(
  filters: Filters,
  isUsed: (name: string) => boolean,
): (volume: Volume) => boolean {
  const checks = [...filters].map(([key, values]) => forKey(key, [...values], isUsed));
  return (volume) => checks.every((check) => check(volume));
}

function forKey(
  key: string,
  values: readonly string[],
  isUsed: (name: string) => boolean,
): (volume: Volume) => boolean {
  switch (key) {
    case "name":
      return ({ name }) => values.some((value) => name.includes(value));
    case "driver":
      return ({ driver }) => values.includes(driver);
    case "label":
      return ({ labels }) => values.every((value) => hasLabel(labels, value));
    case "label!":
      return ({ labels }) => values.every((value) => !hasLabel(labels, value));
    case "dangling": {
      const wanted = values.map((value) => truth("dangling", value));
      return ({ name }) => wanted.includes(!isUsed(name));
    }
    default:
      throw invalid(`invalid filter '${key}'`);
  }
}

/** Docker's words for yes and no in a filter. */
export function truth(key: string, value: string): boolean {
  if (/^(1|true)$/i.test(value)) return true;
  if (/^(0|false)$/i.test(value)) return false;
  throw invalid(`invalid filter '${key}=[${value}]'`);
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf("=");
  return at < 0 ? labels[wanted] !== undefined : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
}
