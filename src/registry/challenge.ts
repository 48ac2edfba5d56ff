/** One challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1). */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The first challenge of a header, scheme and parameter names in lower case; undefined when there is none. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const [, scheme, rest = ""] = /^\s*([A-Za-z][A-Za-z0-9-]*)\s*(.*)$/s.exec(header ?? "") ?? [];
  if (scheme === undefined) return undefined;
  const parameters: Record<string, string> = {};
  for (const [, name = "", quoted, token = ""] of rest.matchAll(
    /([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    parameters[name.toLowerCase()] = quoted === undefined ? token : quoted.replace(/\\(.)/gs, "$1");
  }
  return { scheme: scheme.toLowerCase(), parameters };
}
