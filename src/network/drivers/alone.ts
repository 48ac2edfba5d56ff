import { invalid } from "../../errors/index.ts";
import type { DriverName } from "../record.ts";
import type { NetworkDriver } from "./driver.ts";

/** `host` and `null`: networks that make nothing. */
export const createAloneDriver = (name: Extract<DriverName, "host" | "null">): NetworkDriver => ({
  name,
  hasAddresses: false,
  publishes: false,
  hasHostEnd: false,
  ownsGateway: false,
  validate({ predefined }) {
    if (!predefined) throw invalid(`only one instance of "${name}" network is allowed`);
  },
  ensure: async () => {},
  remove: async () => {},
  link: () => ({ afterwards: [] }),
  gateway: () => undefined,
  filtered: () => undefined,
  deviceOf: () => undefined,
});
