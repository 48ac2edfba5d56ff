import { DockerfileError } from "./dockerfile-error.ts";
import type { Location } from "./location.ts";

/** One record of CSV (RFC 4180): a field in double quotes may hold commas, and quotes doubled. */
export function csvFields(text: string, location: Location): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text.charAt(at) !== '"') {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      fields.push(text.slice(at, end));
      at = end + 1;
      continue;
    }
    const [quoted = ""] = /^"(?:[^"]|"")*"(?=,|$)/.exec(text.slice(at)) ?? [];
    if (quoted === "") throw new DockerfileError(location, `malformed comma-separated values: ${text}`);
    fields.push(quoted.slice(1, -1).replaceAll('""', '"'));
    at += quoted.length + 1;
  }
  return fields.filter((field) => field !== "");
}

/** A truth value as Go's flags spell it. Throws DockerfileError for anything else. */
export function booleanField(text: string, key: string, location: Location): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new DockerfileError(location, `invalid value for ${key}: ${text}`, "true or false");
}
