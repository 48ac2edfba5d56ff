import { DockerfileError } from "./dockerfile-error.ts";
import { booleanField, csvFields } from "./flag-fields.ts";
import type { DeviceFlag } from "./instructions.ts";
import type { Location } from "./location.ts";

/** `RUN --device=NAME[,required]`, the name also as `name=NAME`. Throws DockerfileError. */
export function parseDeviceFlag(text: string, location: Location): DeviceFlag {
  let name = "";
  let required = false;
  for (const field of csvFields(text, location)) {
    const [, key = "", value] = /^(name|required)(?:=(.*))?$/i.exec(field) ?? [];
    if (key.toLowerCase() === "required") required = booleanField(value ?? "true", "required", location);
    else if (name !== "") throw new DockerfileError(location, `device name already set to ${name}`);
    // A qualified name has an equals sign of its own: vendor.com/class=name.
    else name = key === "" ? field : (value ?? "");
  }
  if (name === "")
    throw new DockerfileError(location, "RUN --device needs a name", "--device=NAME[,required]");
  return { name, required };
}
