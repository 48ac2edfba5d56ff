import { ExitError } from "../command/usage-error.ts";

/** "--filter key=value" as the API's JSON; undefined without any. */
export function filtersOf(texts: readonly string[]): string | undefined {
  const filters: Record<string, Record<string, boolean>> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 0)
      throw new ExitError(
        125,
        `invalid argument "${text}" for "-f, --filter" flag: bad format of filter (expected name=value)`,
      );
    const key = text.slice(0, at).trim().toLowerCase();
    filters[key] = { ...filters[key], [text.slice(at + 1).trim()]: true };
  }
  return texts.length === 0 ? undefined : JSON.stringify(filters);
}
