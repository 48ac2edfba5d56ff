import type { Command } from "./command.ts";
import type { Flag } from "./flags.ts";

const WIDTH = 80;

/** The help of one command, laid out as Docker lays out its own. */
export function commandHelp(command: Command): string {
  const lines = [`Usage:  gantry ${command.name} ${command.usage}`.trimEnd(), "", command.description];
  if (command.aliases !== undefined && command.aliases.length > 0) {
    lines.push("", "Aliases:", `  ${command.aliases.map((alias) => `gantry ${alias}`).join(", ")}`);
  }
  const options = flagLines(command.flags);
  if (options.length > 0) lines.push("", "Options:", ...options);
  return `${lines.join("\n")}\n`;
}

/** "  -a, --all             Show all", wrapped, sorted by name. */
export function flagLines(flags: readonly Flag[]): string[] {
  const shown = flags
    .filter(({ aliasOf }) => aliasOf === undefined)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => {
      const short = flag.short === undefined ? "    " : `-${flag.short}, `;
      const type = flag.type === "" ? "" : ` ${flag.type}`;
      return { head: `  ${short}--${flag.name}${type}`, text: `${flag.description}${fallbackOf(flag)}` };
    });
  const indent = Math.max(0, ...shown.map(({ head }) => head.length)) + 3;
  return shown.flatMap(({ head, text }) =>
    wrap(text, WIDTH - indent).map((line, at) => `${(at === 0 ? head : "").padEnd(indent)}${line}`),
  );
}

function fallbackOf({ kind, fallback }: Flag): string {
  if (fallback === undefined || fallback === "") return "";
  return kind === "string" && !/^[\d.-]+[a-z]*$/.test(fallback)
    ? ` (default "${fallback}")`
    : ` (default ${fallback})`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
