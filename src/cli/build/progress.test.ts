import { expect, test } from "bun:test";
import { columnsOf } from "../output/columns.ts";
import { LiveDisplay } from "./progress.ts";

/** What is on a terminal without end after the escape sequences that the display writes; it fails on a line that would wrap. */
function screenOf(written: string, columns: number): string[] {
  const lines: string[] = [];
  let at = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of the display
  for (const part of written.split(/(\x1b\[\d*[AJ]|\n)/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    const up = /^\x1b\[(\d+)A$/.exec(part)?.[1];
    if (up !== undefined) at -= Number(up);
    else if (part === "\x1b[J") lines.length = at;
    else if (part === "\n") at++;
    else if (part !== "") {
      expect(columnsOf(part)).toBeLessThanOrEqual(columns);
      lines[at] = part;
    }
  }
  return lines;
}

test.each([20, 40, 100])("in %p columns no line wraps, whatever commands and their output are", (columns) => {
  let written = "";
  const display = new LiveDisplay(
    (text) => {
      written += text;
    },
    () => ({ rows: 10, columns }),
  );
  const say = (text: string) =>
    display.show({ kind: "output", step: 1, stream: 1, data: Buffer.from(text).toString("base64") });
  const text = "RUN echo \x1b[31m日本語のとても長い行です、端末の幅を超えるはずの行です";
  display.show({ kind: "plan", steps: [{ step: 1, text, stage: "eins", line: 1, isMetadata: false }] });
  display.show({ kind: "started", step: 1, atMs: 0 });
  say("zeile 日本語のとても長い行です、端末の幅を超えるはずの行です\n\ta\tb\n10%\r100%");
  display.show({ kind: "failed", step: 1, atMs: 1500, message: "no" });
  display.close();
  const screen = screenOf(written, columns);
  expect(screen).toHaveLength(5);
  expect(screen[1]).toMatch(/^ => ERROR \[ei.* 1\.5s$/);
  expect(screen[4]).toBe(" =>   # 100%");
});
