export interface Result {
  readonly row: string;
  /** What DESIGN asks of Gantry as a share of docker, where it asks. */
  readonly target: number | undefined;
  readonly unit: "ms" | "MB";
  /** Median per engine; a sentence where the engine could not do it. */
  readonly values: ReadonlyMap<string, number | string>;
  readonly reference?: { readonly name: string; readonly atMost: number; readonly value: number };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1);
  return (low + high) / 2;
}

/** A Markdown table, one line a row of work, the ratio to docker first after the figures. */
export function formatTable(results: readonly Result[], peers: readonly string[]): string {
  const head = ["work", ...peers, "ratio to docker", "asked"];
  const lines = results.map(({ row, target, unit, values }) => [
    row,
    ...peers.map((peer) => formatValue(values.get(peer), unit)),
    formatRatio(values.get("gantry"), values.get("docker")),
    target === undefined ? "" : `≤ ${target}`,
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line[column] ?? "").length)),
  );
  const format = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [format(head), format(widths.map((width) => "-".repeat(width))), ...lines.map(format)].join("\n");
}

/** A sentence for each row that was measured against a plain program. */
export function formatReferences(results: readonly Result[]): string[] {
  return results.flatMap(({ row, unit, values, reference }) => {
    if (reference === undefined) return [];
    const { name, atMost, value } = reference;
    const ratio = formatRatio(values.get("gantry"), value) || "no figure";
    return [
      `${row}: ${name} takes ${formatValue(value, unit)}; Gantry's ratio to it is ${ratio}, asked ≤ ${atMost}.`,
    ];
  });
}

function formatValue(value: number | string | undefined, unit: string): string {
  if (value === undefined) return "";
  if (typeof value === "string") return "failed";
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${unit}`;
}

function formatRatio(ours: number | string | undefined, theirs: number | string | undefined): string {
  return typeof ours === "number" && typeof theirs === "number" ? (ours / theirs).toFixed(2) : "";
}
