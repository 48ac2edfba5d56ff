import type { ProgressMessage } from "../../wire/index.ts";
import { writeOut } from "./print.ts";
import { ProgressBar } from "./progress-bar.ts";

/**
 * Show the messages of pull, push, load and import. On a terminal the lines of layers are rewritten in place, with a
 * bar, the rate and the remaining time of what moves; elsewhere each change of status is a line.
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  { quiet, fd }: { quiet: boolean; fd: 1 | 2 },
): Promise<void> {
  const stream = fd === 1 ? process.stdout : process.stderr;
  const lines = stream.isTTY === true ? new TerminalLines(() => stream.columns || 80) : new PlainLines();
  const encoder = new TextEncoder();
  for await (const message of messages) {
    if (quiet || (message.status === undefined && message.stream === undefined)) continue;
    const text = lines.show(message);
    if (text !== "") await writeOut(fd, encoder.encode(text));
  }
}

const headOf = ({ id, status = "" }: ProgressMessage): string =>
  id === undefined ? status : `${id}: ${status}`;

/** A line for each change of status. */
class PlainLines {
  readonly #last = new Map<string, string>();

  show(message: ProgressMessage): string {
    if (message.stream !== undefined) return message.stream;
    const text = headOf(message);
    if (message.progress !== undefined) return "";
    if (message.id === undefined) return `${text}\n`;
    if (this.#last.get(message.id) === text) return "";
    this.#last.set(message.id, text);
    return `${text}\n`;
  }
}

/** A line for each layer, and one for what moves without an id, rewritten in place until something else is printed below. */
class TerminalLines {
  readonly #columns: () => number;
  readonly #rows = new Map<string, { row: number; bar: ProgressBar }>();

  constructor(columns: () => number) {
    this.#columns = columns;
  }

  show(message: ProgressMessage): string {
    const id = message.id ?? (message.progress === undefined ? undefined : "");
    if (id === undefined || message.stream !== undefined) {
      this.#rows.clear();
      return message.stream ?? `${headOf(message)}\n`;
    }
    const known = this.#rows.get(id);
    const { row, bar } = known ?? { row: this.#rows.size, bar: new ProgressBar() };
    const text = this.#text(message, bar);
    if (known === undefined) {
      this.#rows.set(id, { row, bar });
      return `${text}\n`;
    }
    const up = this.#rows.size - row;
    return `\x1b[${up}A\x1b[2K\r${text}\x1b[${up}B\r`;
  }

  /** A longer line would wrap, and the rows below would no longer be where they are thought to be. */
  #text(message: ProgressMessage, bar: ProgressBar): string {
    const head = headOf(message);
    const { current = 0, total = 0 } = message.progressDetail ?? {};
    const columns = this.#columns();
    if (current <= 0 && total <= 0) return head.slice(0, columns - 1);
    const room = columns - head.length - 2;
    return `${head} ${bar.text(message.status ?? "", current, total, performance.now(), room)}`.slice(
      0,
      columns - 1,
    );
  }
}
