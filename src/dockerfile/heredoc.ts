import { DockerfileError } from "./dockerfile-error.ts";
import type { Location } from "./location.ts";
import { splitWords, unquote } from "./words.ts";

/** A here-document: `N<<[-]NAME` and the lines up to NAME. */
export interface Heredoc {
  readonly name: string;
  /** The descriptor before `<<`, -1 when none is written. */
  readonly descriptor: number;
  /** NAME was not quoted: variables in the body are expanded. */
  readonly expand: boolean;
  /** `<<-`: leading tabs were taken off. */
  readonly stripTabs: boolean;
  /** Lines with their ends. */
  readonly content: string;
}

type Opening = Omit<Heredoc, "content">;

const WITH_HEREDOCS = /^(?:onbuild\s+)?(?:add|copy|run)\s/i;
const OPENING = /^(\d*)<<(-?)([^<]+)$/s;

/** The here-documents that an instruction opens. Only ADD, COPY and RUN, and those inside ONBUILD, may have some. */
export function findHeredocs(text: string, escapeChar: string, location: Location): Opening[] {
  if (!text.includes("<<") || !WITH_HEREDOCS.test(text) || isExecForm(text)) return [];
  let words: string[];
  try {
    words = splitWords(text, escapeChar);
  } catch {
    // A shell command may be cut in ways that only its shell understands.
    return [];
  }
  return words.flatMap((word) => {
    const opening = openingOf(word, escapeChar, location);
    return opening === undefined ? [] : [opening];
  });
}

/** What one word opens, or undefined. */
export function openingOf(word: string, escapeChar: string, location: Location): Opening | undefined {
  const [, digits = "", dash = "", raw = ""] = OPENING.exec(word) ?? [];
  if (raw === "") return undefined;
  let name: string;
  try {
    name = unquote(raw, escapeChar);
  } catch (cause) {
    throw new DockerfileError(location, cause instanceof Error ? cause.message : String(cause));
  }
  // "<<$x" and "<<(" are the shell's own business.
  if (name === "" || /[\s()$]/.test(raw)) return undefined;
  return {
    name,
    descriptor: digits === "" ? -1 : Number(digits),
    expand: raw === name,
    stripTabs: dash === "-",
  };
}

const isExecForm = (text: string) =>
  /^(?:onbuild\s+)?\w+\s+(?:--\S+\s+)*\[/i.test(text) && text.endsWith("]");

/** Read the body that begins at line `at` (counted from 0). Throws DockerfileError when its end is missing. */
export function readHeredoc(
  physical: readonly string[],
  at: number,
  opening: Opening,
  location: Location,
): { heredoc: Heredoc; next: number } {
  const content: string[] = [];
  for (let next = at; next < physical.length; next++) {
    const raw = physical[next] ?? "";
    const line = opening.stripTabs ? raw.replace(/^\t+/, "") : raw;
    if (line === opening.name) return { heredoc: { ...opening, content: content.join("") }, next: next + 1 };
    content.push(`${line}\n`);
  }
  throw new DockerfileError(location, "unterminated heredoc", `a line "${opening.name}" after the document`);
}
