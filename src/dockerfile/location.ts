/** Where in a Dockerfile something stands: first and last line, counted from 1. */
export interface Location {
  readonly line: number;
  readonly endLine: number;
}

/** The lines of a Dockerfile around a place, the place itself marked, as compilers show them. */
export function excerpt(file: string, text: string, location: Location): string {
  const lines = text.split(/\r?\n/);
  const first = Math.max(1, location.line - CONTEXT);
  const last = Math.min(lines.length, location.endLine + CONTEXT);
  const rule = "--------------------";
  const shown = lines.slice(first - 1, last).map((line, at) => {
    const number = first + at;
    const mark = number >= location.line && number <= location.endLine ? ">>>" : "   ";
    return `${String(number).padStart(4)} | ${mark} ${line}`.trimEnd();
  });
  return [`${file}:${location.line}`, rule, ...shown, rule].join("\n");
}

const CONTEXT = 2;
