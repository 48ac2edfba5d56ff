import { invalid } from "../../errors/index.ts";
import { parseTimestamp } from "../../units/index.ts";
import type { Filters } from "../../wire/index.ts";

/** The query of a request, read by Docker's rules. */
export class Query {
  constructor(private readonly parameters: URLSearchParams) {}

  string(name: string): string {
    return this.parameters.get(name) ?? "";
  }

  all(name: string): string[] {
    return this.parameters.getAll(name);
  }

  /** Everything but the words for no is yes; absent is no. */
  boolean(name: string, absent = false): boolean {
    const value = this.parameters.get(name);
    if (value === null) return absent;
    return !["", "0", "no", "false", "none"].includes(value.trim().toLowerCase());
  }

  integer(name: string): number | undefined {
    const value = this.parameters.get(name);
    if (value === null || value === "") return undefined;
    if (!/^-?\d{1,15}$/.test(value)) throw invalid(`strconv.Atoi: parsing "${value}": invalid syntax`);
    return Number(value);
  }

  /** since and until: nanoseconds, 0n when absent. */
  timestamp(name: string): bigint {
    const value = this.string(name);
    return value === "" || value === "0" ? 0n : parseTimestamp(value, Date.now());
  }

  /** JSON of key to list, or of key to map of true (before API 1.22). Throws invalid for keys that are not `known`. */
  filters(known: readonly string[]): Filters {
    const text = this.string("filters");
    const filters = new Map<string, ReadonlySet<string>>();
    if (text === "") return filters;
    for (const [key, values] of Object.entries(parseFilters(text))) {
      if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
      filters.set(key, new Set(filterValues(key, values)));
    }
    return filters;
  }
}

function filterValues(key: string, values: unknown): string[] {
  if (Array.isArray(values) && values.every((value) => typeof value === "string")) return values;
  if (typeof values === "object" && values !== null && !Array.isArray(values)) return Object.keys(values);
  throw invalid(`invalid filter: the values of '${key}' must be a list of strings`);
}

function parseFilters(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw invalid(`invalid filter: ${cause instanceof Error ? cause.message : "not JSON"}`, { cause });
  }
  throw invalid("invalid filter: must be an object");
}
