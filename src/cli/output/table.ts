/** Columns as Docker prints them: each as wide as its widest cell and three more, but at least ten. */
export function formatTable(rows: readonly (readonly string[])[], minWidth = MIN_WIDTH): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? minWidth, displayWidth(cell) + PADDING);
    });
  }
  const lines = rows.map((row) =>
    row
      .map((cell, at) =>
        at === row.length - 1 ? cell : cell + " ".repeat((widths[at] ?? 0) - displayWidth(cell)),
      )
      .join(""),
  );
  return lines.map((line) => `${line}\n`).join("");
}

const MIN_WIDTH = 10;
const PADDING = 3;

const displayWidth = (text: string): number => [...text].length;
