import type { DeviceFlag } from "../dockerfile/index.ts";
import { forbidden, invalid } from "../errors/index.ts";
import type { BuildContext } from "./dependencies.ts";
import type { BuildEvent } from "./events.ts";
import type { BuildRequest } from "./service.ts";

/**
 * The qualified names of the devices that a RUN asks for (BuildKit's docs/cdi.md). One that is not required and not here is
 * told of and left out. Throws invalid for a required one that is not here, forbidden for one that the request does not allow:
 * `--allow device`, `--allow device=NAME` and annotations of the device itself do.
 */
export function devicesOf(
  { cdi }: BuildContext,
  { allow }: BuildRequest,
  flags: readonly DeviceFlag[],
  tell: (event: BuildEvent) => void,
): string[] {
  const names = flags.flatMap(({ name, required }) => {
    const found = cdi.match(name);
    const refused = found.find(
      (device) =>
        !device.isAllowedToBuilds &&
        !["device", `device=${device.name}`, `device=${name}`].some((entitlement) => allow.has(entitlement)),
    );
    if (refused !== undefined)
      throw forbidden(`device is not allowed: RUN --device=${name} needs --allow device=${refused.name}`);
    if (found.length === 0 && required)
      throw invalid(`required device ${JSON.stringify(name)} is not registered`);
    if (found.length === 0)
      tell({ kind: "note", text: `[Warning] optional device ${JSON.stringify(name)} is not registered` });
    return found.map((device) => device.name);
  });
  return [...new Set(names)];
}
