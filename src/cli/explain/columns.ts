const INDENT = "  ";
const GAP = 2;

/** Rows as lines, each column but the last as wide as its widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.slice(0, -1).forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, [...cell].length);
    });
  return rows.map((row) =>
    `${INDENT}${row.map((cell, at) => cell + " ".repeat(at < row.length - 1 ? (widths[at] ?? 0) - [...cell].length + GAP : 0)).join("")}`.trimEnd(),
  );
}
