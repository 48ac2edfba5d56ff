import { type Directives, parseDirectives } from "./directives.ts";
import { DockerfileError } from "./dockerfile-error.ts";
import { findHeredocs, type Heredoc, readHeredoc } from "./heredoc.ts";
import type { Location } from "./location.ts";

/** One instruction as text: continuation lines joined, comments dropped, here-documents behind it. */
export interface LogicalLine {
  readonly location: Location;
  readonly text: string;
  /** As it stands in the file, with its here-documents. */
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
  /** Empty lines within the continuation: allowed, and warned of. */
  readonly hasEmptyContinuation: boolean;
}

export interface Lines {
  readonly directives: Directives;
  readonly lines: readonly LogicalLine[];
  /** The comment right above a line, by that line's number: BuildKit shows it as a description of stages and arguments. */
  readonly comments: ReadonlyMap<number, string>;
}

const MAX_BYTES = 16 << 20;

/** Cut a Dockerfile into instructions. Throws DockerfileError. */
export function readLines(source: string): Lines {
  if (source.length > MAX_BYTES)
    throw new DockerfileError({ line: 1, endLine: 1 }, `the file is larger than ${MAX_BYTES} bytes`);
  const physical = source.replace(/^\uFEFF/, "").split(/\r?\n/);
  const directives = parseDirectives(physical);
  const joiner = new RegExp(`(^|[^\\${directives.escape}])\\${directives.escape}[ \\t]*$`);
  const lines: LogicalLine[] = [];
  const comments = new Map<number, string>();
  let comment: string[] = [];
  for (let at = directives.lines; at < physical.length; ) {
    const first = (physical[at] ?? "").trimStart();
    if (first === "" || first.startsWith("#")) {
      comment = first === "" ? [] : [...comment, first.slice(1).trim()];
      at++;
      continue;
    }
    const start = at;
    if (comment.length > 0) comments.set(start + 1, comment.join("\n"));
    comment = [];
    let text = "";
    let hasEmptyContinuation = false;
    for (let more = true; more && at < physical.length; at++) {
      const line = physical[at] ?? "";
      const trimmed = line.trimStart();
      if (at > start && trimmed.startsWith("#")) continue;
      if (at > start && trimmed === "") {
        hasEmptyContinuation = true;
        continue;
      }
      more = joiner.test(line);
      text += more ? line.replace(joiner, "$1") : line;
    }
    text = text.trim();
    const heredocs: Heredoc[] = [];
    const opened = { line: start + 1, endLine: at };
    for (const opening of findHeredocs(text, directives.escape, opened)) {
      const { heredoc, next } = readHeredoc(physical, at, opening, opened);
      heredocs.push(heredoc);
      at = next;
    }
    const location = { line: start + 1, endLine: Math.max(start + 1, lastFilled(physical, start, at)) };
    lines.push({
      location,
      text,
      original: physical.slice(start, location.endLine).join("\n"),
      heredocs,
      hasEmptyContinuation,
    });
  }
  return { directives, lines, comments };
}

/** A continuation at the end of the file takes the empty lines after it; they are not the instruction's. */
function lastFilled(physical: readonly string[], start: number, end: number): number {
  let last = end;
  while (last > start + 1 && (physical[last - 1] ?? "").trim() === "") last--;
  return last;
}
