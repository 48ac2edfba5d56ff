import type { ProgressMessage } from "../../wire/index.ts";
import { writeOut } from "./print.ts";

/**
 * Show the messages of pull, push, load and import. On a terminal the lines of layers are rewritten in place;
 * elsewhere each change of status is a line.
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  { quiet, fd }: { quiet: boolean; fd: 1 | 2 },
): Promise<void> {
  const terminal = (fd === 1 ? process.stdout : process.stderr).isTTY === true;
  const encoder = new TextEncoder();
  const rows = new Map<string, number>();
  const last = new Map<string, string>();
  for await (const message of messages) {
    if (quiet) continue;
    const text = lineOf(message, terminal);
    if (message.id === undefined || message.stream !== undefined) {
      rows.clear();
      await writeOut(fd, encoder.encode(message.stream ?? `${text}\n`));
      continue;
    }
    if (!terminal) {
      if (message.progress !== undefined || last.get(message.id) === text) continue;
      last.set(message.id, text);
      await writeOut(fd, encoder.encode(`${text}\n`));
      continue;
    }
    const row = rows.get(message.id);
    if (row === undefined) {
      rows.set(message.id, rows.size);
      await writeOut(fd, encoder.encode(`${text}\n`));
    } else {
      const up = rows.size - row;
      await writeOut(fd, encoder.encode(`\x1b[${up}A\x1b[2K\r${text}\x1b[${up}B\r`));
    }
  }
}

function lineOf({ id, status = "", progress }: ProgressMessage, terminal: boolean): string {
  const head = id === undefined ? status : `${id}: ${status}`;
  return terminal && progress !== undefined && progress !== "" ? `${head} ${progress}` : head;
}
