import { compileTemplate } from "../template/index.ts";
import { print } from "./print.ts";
import { formatTable } from "./table.ts";

/** A column of a list: the name a template has for it, its header, and its text for one row. */
export interface Column<Row> {
  readonly name: string;
  readonly header: string;
  readonly text: (row: Row) => string;
}

export interface ListOptions<Row> {
  readonly columns: readonly Column<Row>[];
  /** Names of the columns that are shown without --format. */
  readonly shown: readonly string[];
  /** Further methods for templates, such as `.Label "key"`. */
  readonly methods?: Readonly<Record<string, (row: Row, ...args: unknown[]) => string>>;
  /** The value of --format: a template, "table TEMPLATE", "json", or "" / "table" for the default. */
  readonly format: string;
}

/** Print rows as a table, by a template, or as JSON, one object a line. */
export async function printList<Row>(rows: readonly Row[], options: ListOptions<Row>): Promise<void> {
  const { columns, shown, methods = {} } = options;
  const format = options.format.trim();
  const isTable = format === "" || format === "table" || format.startsWith("table ");
  if (format === "json") {
    await print(rows.map((row) => `${goJson(valuesOf(row, columns))}\n`).join(""));
    return;
  }
  const source = isTable
    ? format.slice("table".length).trim() || shown.map((name) => `{{.${name}}}`).join("\t")
    : format;
  const template = compileTemplate(source.replaceAll("\\t", "\t").replaceAll("\\n", "\n"));
  const rendered = rows.map((row) =>
    template.render({
      ...valuesOf(row, columns),
      ...Object.fromEntries(
        Object.entries(methods).map(([name, method]) => [name, (...args: unknown[]) => method(row, ...args)]),
      ),
    }),
  );
  if (!isTable) {
    await print(rendered.map((line) => `${line}\n`).join(""));
    return;
  }
  const header = template.render({
    ...Object.fromEntries(columns.map(({ name, header: title }) => [name, title])),
    ...Object.fromEntries(Object.keys(methods).map((name) => [name, (arg: unknown) => labelHeader(arg)])),
  });
  await print(formatTable([header, ...rendered].map((line) => line.split("\t"))));
}

const valuesOf = <Row>(row: Row, columns: readonly Column<Row>[]): Record<string, string> =>
  Object.fromEntries(columns.map(({ name, text }) => [name, text(row)]));

/** As Go's encoding/json writes a map: keys in order, and nothing that HTML could take for its own. */
function goJson(values: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(sorted)).replace(
    /[<>&\u2028\u2029]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `{{.Label "com.example.key"}}` is headed by the last part of its key. */
const labelHeader = (key: unknown): string =>
  String(key ?? "")
    .split(".")
    .at(-1)
    ?.replaceAll(/[_-]/g, " ") ?? "";
