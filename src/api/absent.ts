import { type EngineError, invalid, notFound, unavailable, unsupported } from "../errors/index.ts";
import { sendJson } from "./exchange.ts";
import type { Handler, Routes } from "./router.ts";

/** In the words of a Docker daemon outside a swarm. */
export function notASwarmManager(): EngineError {
  return unavailable(
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}

const refuse =
  (reason: () => EngineError): Handler =>
  async () => {
    throw reason();
  };

const SWARM = [
  ...["GET /swarm", "GET /swarm/unlockkey", "POST /swarm/update", "POST /swarm/unlock"],
  ...["GET /nodes", "GET /nodes/{id}", "DELETE /nodes/{id}", "POST /nodes/{id}/update"],
  ...["services", "secrets", "configs"].flatMap((noun) => [
    `GET /${noun}`,
    `POST /${noun}/create`,
    `GET /${noun}/{id}`,
    `DELETE /${noun}/{id}`,
    `POST /${noun}/{id}/update`,
  ]),
  ...["GET /services/{id}/logs", "GET /tasks", "GET /tasks/{id}", "GET /tasks/{id}/logs"],
];
const JOINING = ["POST /swarm/init", "POST /swarm/join"];

const PLUGIN = [
  ...["GET /plugins/{name}/json", "DELETE /plugins/{name}"],
  ...["enable", "disable", "upgrade", "push", "set"].map((verb) => `POST /plugins/{name}/${verb}`),
];
const PLUGINS = ["GET /plugins/privileges", "POST /plugins/pull", "POST /plugins/create"];

const CHECKPOINTS = ["GET /containers/{id}/checkpoints", "POST /containers/{id}/checkpoints"];
const BUILDKIT = ["POST /session", "POST /grpc"];

const all = (routes: readonly string[], handler: Handler): Routes =>
  Object.fromEntries(routes.map((route) => [route, handler]));

/**
 * What the Engine API has and this engine has not, in the words that clients know: those of a Docker daemon outside a
 * swarm and without plugins, and a sentence for what no daemon of Docker would refuse.
 */
export const absentRoutes: Routes = {
  ...all(SWARM, refuse(notASwarmManager)),
  ...all(
    JOINING,
    refuse(() => unsupported("this engine takes part in no swarm")),
  ),
  "POST /swarm/leave": refuse(() => unavailable("This node is not part of a swarm")),
  "GET /plugins": async (x) => sendJson(x, 200, []),
  ...all(PLUGIN, async (x) => {
    throw notFound(`plugin "${x.path.name}" not found`);
  }),
  ...all(
    PLUGINS,
    refuse(() => unsupported("this engine has no managed plugins: its drivers are built in")),
  ),
  ...all(
    CHECKPOINTS,
    refuse(() => unsupported("checkpoints are not supported: this engine has no CRIU")),
  ),
  "GET /containers/{id}/attach/ws": refuse(() =>
    unsupported("attaching by a websocket is not supported: use POST /containers/{id}/attach"),
  ),
  ...all(BUILDKIT, async (x) => {
    if (x.request.headers.upgrade === undefined) throw invalid("no upgrade proto in request");
    throw unsupported(
      "this engine does not speak BuildKit's protocol: build with DOCKER_BUILDKIT=0, or with gantry build",
    );
  }),
};
