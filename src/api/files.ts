import { pipeline } from "node:stream/promises";
import { invalid } from "../errors/index.ts";
import type { PathStat } from "../wire/index.ts";
import type { Exchange } from "./exchange.ts";
import { sendJson, sendNothing } from "./exchange.ts";
import type { Routes } from "./router.ts";

const STAT_HEADER = "X-Docker-Container-Path-Stat";

/** Files of containers: copied out and in, and what has changed. */
export const fileRoutes: Routes = {
  "HEAD /containers/{id}/archive": async (x) => {
    const stat = await x.engine.containers.statPath(id(x), path(x), x.gone);
    x.response.setHeader(STAT_HEADER, encode(stat));
    sendNothing(x, 200);
  },
  "GET /containers/{id}/archive": async (x) => {
    const { stat, content } = await x.engine.containers.packPath(id(x), path(x), x.gone);
    x.response.writeHead(200, { "Content-Type": "application/x-tar", [STAT_HEADER]: encode(stat) });
    await pipeline(content, x.response);
  },
  "PUT /containers/{id}/archive": async (x) => {
    const options = {
      noOverwriteDirNonDir: x.query.boolean("noOverwriteDirNonDir"),
      copyUidGid: x.query.boolean("copyUIDGID"),
    };
    await x.engine.containers.unpackInto(id(x), path(x), x.request, options, x.gone);
    sendNothing(x, 200);
  },
  "GET /containers/{id}/changes": async (x) => {
    const changes = await x.engine.containers.changes(id(x), x.gone);
    sendJson(x, 200, changes.length === 0 ? null : changes);
  },
};

const id = (x: Exchange): string => x.path.id ?? "";

function path({ query }: Exchange): string {
  const text = query.string("path");
  if (text === "") throw invalid("bad parameter: path cannot be empty");
  return text;
}

const encode = (stat: PathStat): string => Buffer.from(JSON.stringify(stat)).toString("base64");
