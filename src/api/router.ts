import { invalid } from "../errors/index.ts";
import type { Exchange } from "./exchange.ts";

export type Handler = (exchange: Exchange) => Promise<void>;

/** "METHOD /path/{placeholder}" to handler. {name} may hold slashes, as image names do; {id} may not. */
export type Routes = Readonly<Record<string, Handler>>;

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly handler: Handler;
}

export interface Match {
  readonly handler: Handler;
  readonly path: Record<string, string>;
}

/** Looks routes up: those without placeholders by one hash look-up, the others by their patterns. */
export function createRouter(tables: readonly Routes[]): (method: string, path: string) => Match | undefined {
  const fixed = new Map<string, Handler>();
  const patterns: Route[] = [];
  for (const [key, handler] of tables.flatMap((table) => Object.entries(table))) {
    const [method = "", path = ""] = key.split(" ");
    if (!path.includes("{")) fixed.set(key, handler);
    else {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "");
      const pattern = new RegExp(`^${path.replace("{name}", "(.+)").replace("{id}", "([^/]+)")}$`);
      patterns.push({ method, pattern, names, handler });
    }
  }
  return (method, path) => {
    const handler = fixed.get(`${method} ${path}`);
    if (handler !== undefined) return { handler, path: {} };
    for (const route of patterns) {
      const match = route.method === method ? route.pattern.exec(path) : null;
      if (match === null) continue;
      return {
        handler: route.handler,
        path: Object.fromEntries(route.names.map((name, index) => [name, decoded(match[index + 1] ?? "")])),
      };
    }
    return undefined;
  };
}

/** Throws invalid for what is no encoding of a text. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid(`invalid URL escape in ${JSON.stringify(text)}`, { cause });
  }
}
