import { wallClockNs } from "../platform/index.ts";
import type { EventMessage, Filters } from "../wire/index.ts";

export interface EventQuery {
  /** Nanoseconds since the epoch; 0n = no bound. With `untilNs` in the past the stream ends by itself. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  readonly filters: Filters;
}

/** What happened in the engine: the last 256 events and everybody who listens. */
export interface EventLog {
  publish(event: Pick<EventMessage, "Type" | "Action" | "Actor">): void;
  /** Past events that match, then live ones until `untilNs` or abort. Never drops an event; a slow reader is buffered. */
  subscribe(query: EventQuery, signal: AbortSignal): AsyncIterable<EventMessage>;
}

const HISTORY = 256;

export function createEventLog(clock: () => bigint = wallClockNs): EventLog {
  const history: EventMessage[] = [];
  const listeners = new Set<(event: EventMessage) => void>();
  return {
    publish(event) {
      const timeNano = clock();
      const message: EventMessage = {
        ...event,
        // As Docker's JSON has them: by name.
        Actor: { ID: event.Actor.ID, Attributes: sorted(event.Actor.Attributes) },
        scope: "local",
        time: Number(timeNano / 1_000_000_000n),
        timeNano,
      };
      history.push(message);
      if (history.length > HISTORY) history.shift();
      for (const listener of listeners) listener(message);
    },
    subscribe: (query, signal) => stream(query, signal, history, listeners, clock),
  };
}

const sorted = (attributes: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));

async function* stream(
  query: EventQuery,
  signal: AbortSignal,
  history: readonly EventMessage[],
  listeners: Set<(event: EventMessage) => void>,
  clock: () => bigint,
): AsyncGenerator<EventMessage> {
  const wanted = (event: EventMessage) =>
    event.timeNano >= query.sinceNs &&
    (query.untilNs === 0n || event.timeNano <= query.untilNs) &&
    matches(event, query.filters);
  const queue: EventMessage[] = query.sinceNs > 0n || query.untilNs > 0n ? history.filter(wanted) : [];
  let wake = () => {};
  const listener = (event: EventMessage) => {
    if (!wanted(event)) return;
    queue.push(event);
    wake();
  };
  listeners.add(listener);
  const abort = () => wake();
  signal.addEventListener("abort", abort, { once: true });
  const remainingMs = query.untilNs === 0n ? undefined : Number((query.untilNs - clock()) / 1_000_000n);
  let expired = remainingMs !== undefined && remainingMs <= 0;
  const timer =
    remainingMs === undefined || expired
      ? undefined
      : setTimeout(() => {
          expired = true;
          wake();
        }, remainingMs);
  try {
    while (!signal.aborted) {
      const next = queue.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (expired) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = () => {};
    }
  } finally {
    listeners.delete(listener);
    signal.removeEventListener("abort", abort);
    clearTimeout(timer);
  }
}

/** Docker's rules: any value of a key is enough, every key must match; an actor is named by its id, twelve or more digits of it, or its name. */
export function matches(event: EventMessage, filters: Filters): boolean {
  for (const [key, values] of filters) {
    if (values.size === 0) continue;
    if (![...values].some((value) => matchesOne(event, key, value))) return false;
  }
  return true;
}

function matchesOne(event: EventMessage, key: string, value: string): boolean {
  const { ID, Attributes } = event.Actor;
  switch (key) {
    case "type":
      return event.Type === value;
    case "event":
    case "action":
      return event.Action === value || event.Action.startsWith(`${value}:`);
    case "label": {
      const at = value.indexOf("=");
      return at < 0
        ? Attributes[value] !== undefined
        : Attributes[value.slice(0, at)] === value.slice(at + 1);
    }
    case "image":
      return event.Type === "image"
        ? ID === value || Attributes.name === value
        : Attributes.image === value || Attributes.image?.split(":")[0] === value;
    case "container":
    case "volume":
    case "network":
    case "daemon":
    case "plugin":
      return (
        event.Type === key &&
        (ID === value || Attributes.name === value || (ID.startsWith(value) && value.length >= 12))
      );
    case "scope":
      return event.scope === value;
    default:
      return false;
  }
}
