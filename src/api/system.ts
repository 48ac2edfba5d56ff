import { invalid } from "../errors/index.ts";
import { sendJson, stringify } from "./exchange.ts";
import type { Routes } from "./router.ts";

const EVENT_FILTERS = [
  "config",
  "container",
  "daemon",
  "event",
  "image",
  "label",
  "network",
  "node",
  "plugin",
  "scope",
  "secret",
  "service",
  "type",
  "volume",
];

export const systemRoutes: Routes = {
  "GET /version": async (x) => sendJson(x, 200, x.engine.version()),
  "GET /info": async (x) => sendJson(x, 200, await x.engine.info()),
  "GET /system/df": async (x) => {
    const query = { types: x.query.all("type"), storage: x.query.boolean("storage") };
    sendJson(x, 200, await x.engine.diskUsage(query));
  },
  "POST /system/fsck": async (x) => {
    sendJson(x, 200, await x.engine.images.check(x.query.boolean("repair"), x.gone));
  },
  "GET /events": async (x) => {
    const { query, response } = x;
    const [sinceNs, untilNs] = [query.timestamp("since"), query.timestamp("until")];
    if (untilNs > 0n && sinceNs > untilNs) {
      throw invalid(
        `\`since\` time (${query.string("since")}) cannot be after \`until\` time (${query.string("until")})`,
      );
    }
    const wanted = {
      sinceNs,
      untilNs,
      filters: query.filters(EVENT_FILTERS),
    };
    const events = x.engine.events.subscribe(wanted, x.gone);
    response.writeHead(200, { "Content-Type": "application/json" });
    response.flushHeaders();
    for await (const event of events) response.write(`${stringify(withOldNames(event))}\n`);
    response.end();
  },
};

/** Clients from before API 1.22 know an event by status, id and from. */
function withOldNames(event: {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}) {
  if (event.Type !== "container" && event.Type !== "image") return event;
  const from = event.Actor.Attributes.image;
  return { status: event.Action, id: event.Actor.ID, ...(from === undefined ? {} : { from }), ...event };
}
