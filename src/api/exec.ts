import { size } from "./containers.ts";
import { readJson, sendJson, sendNothing } from "./exchange.ts";
import { consoleSize, parseExecCreate } from "./parse/container.ts";
import { boolean } from "./parse/fields.ts";
import type { Routes } from "./router.ts";
import { hijack } from "./streams.ts";

export const execRoutes: Routes = {
  "POST /containers/{id}/exec": async (x) => {
    const { id } = await x.engine.containers.createExec(x.path.id ?? "", parseExecCreate(await readJson(x)));
    sendJson(x, 201, { Id: id });
  },
  "POST /exec/{id}/start": async (x) => {
    const body = await readJson(x);
    const size = consoleSize(body);
    const streams = await x.engine.containers.startExec(x.path.id ?? "", {
      detach: boolean(body, "Detach"),
      tty: boolean(body, "Tty"),
      ...(size === undefined ? {} : { consoleSize: size }),
    });
    if (streams === undefined) sendNothing(x, 200);
    else await hijack(x, streams);
  },
  "POST /exec/{id}/resize": async (x) => {
    await x.engine.containers.resizeExec(x.path.id ?? "", ...size(x));
    sendNothing(x, 200);
  },
  "GET /exec/{id}/json": async (x) => {
    sendJson(x, 200, x.engine.containers.inspectExec(x.path.id ?? ""));
  },
};
