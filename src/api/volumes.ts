import { pipeline } from "node:stream/promises";
import { type Exchange, readJson, sendJson, sendNothing } from "./exchange.ts";
import { map, string } from "./parse/fields.ts";
import type { Routes } from "./router.ts";

const LIST_FILTERS = ["dangling", "driver", "label", "label!", "name"];
const PRUNE_FILTERS = ["all", "label", "label!"];
/** Since 1.42 only anonymous volumes are pruned unless all are asked for. */
const ANONYMOUS_ONLY = 142;

export const volumeRoutes: Routes = {
  "GET /volumes": async (x) => {
    sendJson(x, 200, { Volumes: x.engine.volumes.list(x.query.filters(LIST_FILTERS)), Warnings: null });
  },
  "POST /volumes/create": async (x) => {
    const body = await readJson(x);
    const made = await x.engine.volumes.create({
      name: string(body, "Name"),
      driver: string(body, "Driver"),
      labels: map(body, "Labels", string),
      options: map(body, "DriverOpts", string),
    });
    sendJson(x, 201, made);
  },
  "POST /volumes/prune": async (x) => {
    const asked = x.query.filters(PRUNE_FILTERS);
    const filters =
      x.version < ANONYMOUS_ONLY ? new Map([...asked, ["all", new Set(["true"])] as const]) : asked;
    const { names, bytes } = await x.engine.volumes.prune(filters);
    sendJson(x, 200, { VolumesDeleted: names, SpaceReclaimed: bytes });
  },
  "GET /volumes/{id}": async (x) => sendJson(x, 200, x.engine.volumes.inspect(name(x))),
  "DELETE /volumes/{id}": async (x) => {
    await x.engine.volumes.remove(name(x), { force: x.query.boolean("force") });
    sendNothing(x, 204);
  },
  // Gantry's own: what is in a volume, as a tar.
  "GET /volumes/{id}/archive": async (x) => {
    const archive = await x.engine.volumes.exportTo(name(x), x.gone);
    x.response.writeHead(200, { "Content-Type": "application/x-tar" });
    await pipeline(archive, x.response);
  },
  "PUT /volumes/{id}/archive": async (x) => {
    await x.engine.volumes.importFrom(name(x), x.request, x.gone);
    sendNothing(x, 200);
  },
  "POST /volumes/{id}/clone": async (x) => {
    sendJson(x, 201, await x.engine.volumes.clone(name(x), x.query.string("to")));
  },
};

const name = (x: Exchange): string => x.path.id ?? "";
