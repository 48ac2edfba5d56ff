import { pipeline } from "node:stream/promises";
import type { CreateRequest, WaitCondition } from "../container/index.ts";
import { EngineError, invalid } from "../errors/index.ts";
import type { Exchange } from "./exchange.ts";
import { readJson, sendJson, sendNothing, stringify } from "./exchange.ts";
import { detachKeys, parseContainerCreate, parseUpdate } from "./parse/container.ts";
import type { Routes } from "./router.ts";
import { hijack, sendObjects, sendOutput } from "./streams.ts";

const LIST_FILTERS = [
  "ancestor",
  "before",
  "expose",
  "exited",
  "health",
  "id",
  "isolation",
  "is-task",
  "label",
  "label!",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];

export const containerRoutes: Routes = {
  "GET /containers/json": async (x) => {
    const filters = x.query.filters(LIST_FILTERS);
    const limit = Math.max(0, x.query.integer("limit") ?? 0);
    const containers = await x.engine.containers.list({
      all: x.query.boolean("all"),
      limit,
      size: x.query.boolean("size"),
      filters,
    });
    sendJson(x, 200, containers);
  },
  "POST /containers/create": async (x) => {
    const { id, warnings } = await x.engine.containers.create(await createRequest(x));
    sendJson(x, 201, { Id: id, Warnings: warnings });
  },
  "GET /containers/{id}/explain": async (x) => {
    sendJson(x, 200, await x.engine.containers.explain(id(x)));
  },
  "POST /containers/explain": async (x) => {
    sendJson(x, 200, await x.engine.containers.explainRequest(await createRequest(x)));
  },
  "GET /containers/{id}/json": async (x) => {
    sendJson(x, 200, await x.engine.containers.inspect(id(x), { size: x.query.boolean("size") }));
  },
  "POST /containers/prune": async (x) => {
    const { ids, bytes } = await x.engine.containers.prune(x.query.filters(["label", "label!", "until"]));
    sendJson(x, 200, { ContainersDeleted: ids.length === 0 ? null : ids, SpaceReclaimed: bytes });
  },
  "GET /containers/{id}/export": async (x) => {
    const files = x.engine.containers.export(id(x));
    x.response.writeHead(200, { "Content-Type": "application/octet-stream" });
    x.gone.addEventListener("abort", () => files.destroy(), { once: true });
    await pipeline(files, x.response);
  },
  "POST /containers/{id}/start": async (x) => {
    if (x.query.string("checkpoint") !== "")
      throw invalid("checkpoint is only supported in experimental mode");
    await x.engine.containers.start(id(x));
    sendNothing(x, 204);
  },
  "POST /containers/{id}/stop": async (x) => {
    await x.engine.containers.stop(id(x), stopOptions(x));
    sendNothing(x, 204);
  },
  "POST /containers/{id}/restart": async (x) => {
    await x.engine.containers.restart(id(x), stopOptions(x));
    sendNothing(x, 204);
  },
  "POST /containers/{id}/kill": async (x) => {
    try {
      await x.engine.containers.kill(id(x), x.query.string("signal"));
    } catch (cause) {
      if (!(cause instanceof EngineError)) throw cause;
      throw new EngineError(cause.kind, `cannot kill container: ${id(x)}: ${cause.message}`, { cause });
    }
    sendNothing(x, 204);
  },
  "POST /containers/{id}/pause": async (x) => {
    await x.engine.containers.pause(id(x));
    sendNothing(x, 204);
  },
  "POST /containers/{id}/unpause": async (x) => {
    await x.engine.containers.unpause(id(x));
    sendNothing(x, 204);
  },
  "POST /containers/{id}/update": async (x) => {
    const warnings = await x.engine.containers.update(id(x), parseUpdate(await readJson(x)));
    sendJson(x, 200, { Warnings: warnings });
  },
  "GET /containers/{id}/top": async (x) => {
    sendJson(x, 200, await x.engine.containers.top(id(x), x.query.string("ps_args")));
  },
  "GET /containers/{id}/stats": async (x) => {
    const { query, gone } = x;
    const oneShot = query.boolean("one-shot");
    const stream = query.boolean("stream", true);
    if (stream && oneShot) throw invalid("cannot have stream=true and one-shot=true");
    if (stream) await sendObjects(x, x.engine.containers.streamStats(id(x), gone));
    else sendJson(x, 200, await x.engine.containers.readStats(id(x), { oneShot }, gone));
  },
  "POST /containers/{id}/rename": async (x) => {
    await x.engine.containers.rename(id(x), x.query.string("name"));
    sendNothing(x, 204);
  },
  "POST /containers/{id}/resize": async (x) => {
    await x.engine.containers.resize(id(x), ...size(x));
    sendNothing(x, 200);
  },
  "POST /containers/{id}/wait": async (x) => {
    const { result } = x.engine.containers.wait(id(x), waitCondition(x), x.gone);
    // The client starts the container only after it has seen that somebody waits.
    x.response.writeHead(200, { "Content-Type": "application/json" });
    x.response.flushHeaders();
    const { statusCode, error } = await result;
    x.response.end(
      `${stringify({ StatusCode: statusCode, ...(error === undefined ? {} : { Error: { Message: error } }) })}\n`,
    );
  },
  "DELETE /containers/{id}": async (x) => {
    const { query } = x;
    await x.engine.containers.remove(id(x), {
      force: query.boolean("force"),
      volumes: query.boolean("v"),
      link: query.boolean("link"),
    });
    sendNothing(x, 204);
  },
  "GET /containers/{id}/logs": async (x) => {
    const { query } = x;
    const which = { stdout: query.boolean("stdout"), stderr: query.boolean("stderr") };
    if (!which.stdout && !which.stderr) throw invalid("Bad parameters: you must choose at least one stream");
    const { tty, output } = await x.engine.containers.logs(
      id(x),
      {
        ...which,
        follow: query.boolean("follow"),
        sinceNs: query.timestamp("since"),
        untilNs: query.timestamp("until"),
        timestamps: query.boolean("timestamps"),
        details: query.boolean("details"),
        tail: tail(query.string("tail")),
      },
      x.gone,
    );
    await sendOutput(x, tty, output);
  },
  "POST /containers/{id}/attach": async (x) => {
    const { query } = x;
    const keys = detachKeys(query.string("detachKeys"));
    const streams = await x.engine.containers.attach(id(x), {
      stream: query.boolean("stream"),
      stdin: query.boolean("stdin"),
      stdout: query.boolean("stdout"),
      stderr: query.boolean("stderr"),
      logs: query.boolean("logs"),
      ...(keys === "" ? {} : { detachKeys: keys }),
    });
    await hijack(x, streams);
  },
};

const id = (x: Exchange): string => x.path.id ?? "";

async function createRequest(x: Exchange): Promise<CreateRequest> {
  const body = await readJson(x);
  if (Object.keys(body).length === 0) throw invalid("config cannot be empty in order to create a container");
  const platform = x.query.string("platform");
  return {
    ...parseContainerCreate(body),
    name: x.query.string("name"),
    ...(platform === "" ? {} : { platform }),
  };
}

function stopOptions({ query }: Exchange): { timeoutSeconds?: number; signal?: string } {
  const timeoutSeconds = query.integer("t");
  const signal = query.string("signal");
  return {
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(signal === "" ? {} : { signal }),
  };
}

export function size({ query }: Exchange): [rows: number, columns: number] {
  const [rows, columns] = [query.integer("h"), query.integer("w")];
  if (rows === undefined || columns === undefined || rows < 0 || columns < 0)
    throw invalid("h and w must be given as whole numbers");
  return [rows, columns];
}

function waitCondition({ query }: Exchange): WaitCondition {
  const condition = query.string("condition");
  if (condition === "") return "not-running";
  if (condition === "not-running" || condition === "next-exit" || condition === "removed") return condition;
  throw invalid(`invalid condition: "${condition}"`);
}

/** A number of lines; anything else means all of them, as with Docker. */
const tail = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : -1);
