import { forbidden, invalid } from "../errors/index.ts";
import { notASwarmManager } from "./absent.ts";
import { readJson, sendJson, sendNothing } from "./exchange.ts";
import { endpointSettings } from "./parse/container.ts";
import { boolean, object, string } from "./parse/fields.ts";
import { parseNetworkCreate } from "./parse/network.ts";
import type { Handler, Routes } from "./router.ts";

const LIST_FILTERS = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];
const PRUNE_FILTERS = ["label", "label!", "until"];

const list: Handler = async (x) => sendJson(x, 200, x.engine.networks.list(x.query.filters(LIST_FILTERS)));

export const networkRoutes: Routes = {
  "GET /networks": list,
  // Docker's own router has it, and there are clients that ask so.
  "GET /networks/": list,
  "POST /networks/create": async (x) => {
    const body = await readJson(x);
    if (string(body, "Driver") === "overlay") throw notASwarmManager();
    if (boolean(body, "ConfigOnly") || string(object(body.ConfigFrom, "ConfigFrom"), "Network") !== "")
      throw forbidden("configuration networks belong to swarm mode, which this engine does not have");
    if (boolean(body, "Ingress") || string(body, "Scope") === "swarm")
      throw forbidden("This node is not a swarm manager");
    const { id, warning } = await x.engine.networks.create(parseNetworkCreate(body));
    sendJson(x, 201, { Id: id, Warning: warning });
  },
  "POST /networks/prune": async (x) => {
    sendJson(x, 200, { NetworksDeleted: await x.engine.networks.prune(x.query.filters(PRUNE_FILTERS)) });
  },
  "GET /networks/{id}": async (x) => {
    const scope = x.query.string("scope");
    if (scope !== "" && scope !== "local") throw invalid(`invalid scope: ${scope}`);
    sendJson(x, 200, x.engine.networks.inspect(x.path.id ?? ""));
  },
  "DELETE /networks/{id}": async (x) => {
    await x.engine.networks.remove(x.path.id ?? "");
    sendNothing(x, 204);
  },
  "POST /networks/{id}/connect": async (x) => {
    const body = await readJson(x);
    await x.engine.containers.connectNetwork(
      x.path.id ?? "",
      string(body, "Container"),
      endpointSettings(object(body.EndpointConfig, "EndpointConfig")),
    );
    sendNothing(x, 200);
  },
  "POST /networks/{id}/disconnect": async (x) => {
    const body = await readJson(x);
    await x.engine.containers.disconnectNetwork(x.path.id ?? "", string(body, "Container"), {
      force: boolean(body, "Force"),
    });
    sendNothing(x, 200);
  },
};
