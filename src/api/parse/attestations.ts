import type { BuildRequest } from "../../build/index.ts";
import { invalid, unsupported } from "../../errors/index.ts";
import type { JsonObject } from "./fields.ts";

/** `attests`: a JSON object from "sbom" and "provenance" to BuildKit's words ("true", "mode=max", "disabled=true", "false"). */
export function parseAttestations(attests: JsonObject): BuildRequest["attestations"] {
  for (const type of Object.keys(attests))
    if (type !== "sbom" && type !== "provenance")
      throw unsupported(`an attestation of type ${type} is not supported: use sbom or provenance`);
  const sbom = words(attests.sbom, "sbom");
  if ((sbom?.size ?? 0) > 0)
    throw unsupported(
      "an sbom takes no options: this engine looks through the image itself, without a generator",
    );
  const provenance = words(attests.provenance, "provenance");
  for (const key of provenance?.keys() ?? [])
    if (key !== "mode") throw unsupported(`provenance does not take ${key}: use mode`);
  const mode = provenance?.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") throw invalid(`invalid provenance mode ${mode}: want min or max`);
  return { sbom: sbom !== undefined, provenance: provenance === undefined ? undefined : mode };
}

/** undefined for what is not wanted; a value alone says whether it is. */
function words(value: unknown, what: string): Map<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw invalid(`attests: ${what} must be a string`);
  const fields = new Map<string, string>();
  let isWanted = true;
  for (const field of value.split(",").filter((one) => one !== "")) {
    const [key = "", text = ""] = field.split(/=(.*)/s);
    if (key === "disabled") isWanted &&= text === "false";
    else if (field === "true" || field === "false") isWanted &&= field === "true";
    else if (key !== "type") fields.set(key, text);
  }
  return isWanted ? fields : undefined;
}
