import { DockerfileError } from "./dockerfile-error.ts";

/** `# key=value` lines at the very top. */
export interface Directives {
  readonly escape: "\\" | "`";
  /** Reference of a frontend image; only told, since this builder has one language of its own. */
  readonly syntax: string | undefined;
  /** `skip=A,B;error=true` */
  readonly check: string | undefined;
  /** Lines taken by directives. */
  readonly lines: number;
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const KNOWN = new Set(["escape", "syntax", "check"]);

/** Read the directives; they end at the first line that is none. Throws DockerfileError for a repeated or malformed one. */
export function parseDirectives(lines: readonly string[]): Directives {
  const found = new Map<string, string>();
  let at = lines[0]?.startsWith("#!") ? 1 : 0;
  for (; at < lines.length; at++) {
    const [, name = "", value = ""] = DIRECTIVE.exec(lines[at] ?? "") ?? [];
    const key = name.toLowerCase();
    if (!KNOWN.has(key)) break;
    const location = { line: at + 1, endLine: at + 1 };
    if (found.has(key)) throw new DockerfileError(location, `only one ${key} parser directive can be used`);
    if (key === "escape" && value !== "\\" && value !== "`") {
      throw new DockerfileError(location, `invalid ESCAPE '${value}'. Must be \` or \\`);
    }
    found.set(key, value);
  }
  return {
    escape: found.get("escape") === "`" ? "`" : "\\",
    syntax: found.get("syntax"),
    check: found.get("check"),
    lines: at,
  };
}

/** What a `check` directive (or BUILDKIT_DOCKERFILE_CHECK) says. */
export interface CheckOptions {
  readonly skipAll: boolean;
  readonly skip: ReadonlySet<string>;
  /** Warnings fail the build. */
  readonly error: boolean;
  /** Experimental rules that are wanted. */
  readonly experimental: ReadonlySet<string>;
}

export function parseCheck(text: string | undefined): CheckOptions {
  const words = new Map(
    (text ?? "").split(";").map((part) => {
      const equals = part.indexOf("=");
      return [part.slice(0, Math.max(equals, 0)).trim(), part.slice(equals + 1).trim()];
    }),
  );
  const list = (key: string) =>
    new Set(
      (words.get(key) ?? "")
        .split(",")
        .map((word) => word.trim())
        .filter(Boolean),
    );
  return {
    skipAll: words.get("skip") === "all",
    skip: list("skip"),
    error: words.get("error") === "true",
    experimental: list("experimental"),
  };
}
