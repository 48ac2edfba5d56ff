import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { messageOf } from "../../../errors/index.ts";
import { RegistryError } from "../errors.ts";
import { sendJson } from "../http/exchange.ts";
import type { Registry } from "../registry.ts";
import type { Routes } from "./route.ts";

/** GET /health: 200 while the database answers and blobs can be written (or read, in read-only mode), else 503. */
export function healthRoutes({ storage, readOnly }: Registry): Routes {
  const GET: Routes[string] = {
    access: "anybody",
    async run(exchange) {
      try {
        storage.quota.usage();
        await access(storage.files.root, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
      } catch (cause) {
        throw new RegistryError("UNAVAILABLE", `the storage does not answer: ${messageOf(cause)}`, { cause });
      }
      sendJson(exchange, { status: "ok" });
    },
  };
  return { GET };
}
