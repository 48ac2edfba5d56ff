import { pipeline } from "node:stream/promises";
import {
  type BuildEvent,
  BuildFailure,
  type BuildHistoryEntry,
  describeRecord,
  StepError,
} from "../build/index.ts";
import { DockerfileError, excerpt, type Location } from "../dockerfile/index.ts";
import { EngineError, invalid, messageOf } from "../errors/index.ts";
import type {
  BuildHistoryRecord,
  BuildProgressEvent,
  BuildPruneReply,
  ProgressMessage,
} from "../wire/index.ts";
import { ClassicOutput } from "./classic-build.ts";
import { size } from "./containers.ts";
import type { Exchange } from "./exchange.ts";
import { readJson, sendJson, sendNothing } from "./exchange.ts";
import { parseBuild, parsePrune, parseSecrets } from "./parse/build.ts";
import type { Routes } from "./router.ts";
import { hijack, sendProgress } from "./streams.ts";

export const buildRoutes: Routes = {
  "POST /build": (x) => sendProgress(x, messages(x)),
  "POST /build/prune": async (x) => {
    const options = parsePrune(x.query);
    const { deleted, reclaimedBytes } = await x.engine.builds.prune(options);
    const reply: BuildPruneReply = {
      CachesDeleted: deleted.map(({ id }) => id),
      SpaceReclaimed: reclaimedBytes,
      ...(options.dryRun ? { Records: deleted.map(describeRecord) } : {}),
    };
    sendJson(x, 200, reply);
  },
  "POST /build/cancel": async (x) => {
    const id = x.query.string("id");
    if (id === "") throw invalid("build ID not provided");
    x.engine.builds.cancel(id);
    sendNothing(x, 200);
  },
  // Not Docker's: for this engine's own client.
  "POST /build/secrets": async (x) => {
    x.engine.builds.offerSecrets(x.query.string("session"), parseSecrets(await readJson(x)));
    sendNothing(x, 204);
  },
  "POST /build/context": async (x) => {
    const { query, request } = x;
    const missing = await x.engine.builds.beginContext(
      query.string("session"),
      query.string("name"),
      request,
    );
    sendJson(x, 200, { Missing: missing });
  },
  "POST /build/context/files": async (x) => {
    await x.engine.builds.completeContext(x.query.string("session"), x.request);
    sendNothing(x, 204);
  },
  "POST /build/shell": (x) => hijack(x, x.engine.builds.attachShell(x.query.string("id"), size(x))),
  "POST /build/shell/resize": async (x) => {
    x.engine.builds.resizeShell(x.query.string("id"), size(x));
    sendNothing(x, 200);
  },
  "POST /build/cache/layout": async (x) => {
    await x.engine.builds.offerCache(x.query.string("session"), x.query.string("name"), x.request);
    sendNothing(x, 204);
  },
  "GET /build/cache/layout": async (x) => {
    const layout = await x.engine.builds.takeCache(x.query.string("session"), x.query.string("name"));
    x.response.writeHead(200, { "Content-Type": "application/x-tar" });
    await pipeline(layout, x.response);
  },
  "POST /build/check": async (x) => {
    const { file, source, findings, fails } = await x.engine.builds
      .check(parseBuild(x.query, x.request), x.gone)
      .catch((error: unknown) => {
        throw withPlace(error);
      });
    sendJson(x, 200, {
      Findings: findings.map((finding) => ({ ...finding, excerpt: excerpt(file, source, finding) })),
      Fails: fails,
    });
  },
  "GET /build/tree": async (x) => {
    const tree = await x.engine.builds.exportTree(x.query.string("image"), x.gone);
    x.response.writeHead(200, { "Content-Type": "application/x-tar" });
    await pipeline(tree, x.response);
  },
  "GET /build/cache": async (x) =>
    sendJson(x, 200, (await x.engine.builds.cacheRecords()).map(describeRecord)),
  "GET /build/history": async (x) => sendJson(x, 200, x.engine.builds.history().map(wireHistory)),
};

/** Events as the client wants them, and at the end the failure with its exit code and place. */
async function* messages(x: Exchange): AsyncGenerator<ProgressMessage> {
  const request = parseBuild(x.query, x.request);
  const asEvents = x.query.string("progress") === "events";
  const isQuiet = x.query.boolean("q");
  const classic = new ClassicOutput();
  let isBegun = false;
  try {
    for await (const event of x.engine.builds.build(request, x.gone)) {
      if (asEvents) {
        isBegun = true;
        yield { id: "gantry.build.event", aux: wireEvent(event) };
      } else if (isQuiet) {
        if (event.kind === "image") yield { stream: `${event.id}\n` };
      } else {
        for (const message of classic.take(event)) {
          isBegun = true;
          yield message;
        }
      }
    }
  } catch (error) {
    // Before the first message a client of Docker's gets a status; ours reads events, the first of which may be the last.
    if (!isBegun && !asEvents) throw withPlace(error);
    yield* failure(error);
  }
}

function* failure(error: unknown): Generator<ProgressMessage> {
  const place = placeOf(error);
  if (place !== "") yield { stream: `${place}\n` };
  const message = messageOf(error);
  const cause = error instanceof BuildFailure ? error.cause : error;
  const code = cause instanceof StepError ? cause.exitCode : undefined;
  yield { errorDetail: { ...(code === undefined ? {} : { code }), message }, error: message };
}

/** The same error with the lines of the Dockerfile behind its sentence. */
function withPlace(error: unknown): unknown {
  const place = placeOf(error);
  if (place === "" || !(error instanceof EngineError)) return error;
  return new EngineError(error.kind, `${error.message}\n${place}`, {
    cause: error,
    fields: { ...error.fields },
  });
}

/** The lines of the Dockerfile that an error is about, all of its instruction marked; "" when it is about none. */
function placeOf(error: unknown): string {
  if (!(error instanceof BuildFailure)) return "";
  const location = locationOf(error);
  return location === undefined ? "" : excerpt(error.fileName, error.source, location);
}

function locationOf({ cause, file }: BuildFailure): Location | undefined {
  if (cause instanceof DockerfileError) return cause.location;
  if (!(cause instanceof StepError)) return undefined;
  const { line } = cause.step;
  const instructions = file?.stages.flatMap(({ from, instructions }) => [from, ...instructions]) ?? [];
  return instructions.find(({ location }) => location.line === line)?.location ?? { line, endLine: line };
}

function wireEvent(event: BuildEvent): BuildProgressEvent {
  switch (event.kind) {
    case "output": {
      const { kind, step, stream, bytes } = event;
      return { kind, step, stream, data: bytes.toString("base64") };
    }
    case "warning": {
      const { rule, message, url, line } = event.finding;
      return { kind: "warning", rule, message, url, line };
    }
    case "plan":
      return { kind: "plan", steps: [...event.steps] };
    case "image":
      return { kind: "image", id: event.id, tags: [...event.tags] };
    default:
      return event;
  }
}

const wireHistory = (entry: BuildHistoryEntry): BuildHistoryRecord => ({
  ID: entry.id,
  Name: entry.name,
  StartedAt: new Date(entry.startedAtMs).toISOString(),
  DurationMs: entry.durationMs,
  Status: entry.status,
  Steps: entry.steps,
  CachedSteps: entry.cachedSteps,
  Error: entry.error,
});
