/** Text on a terminal: how wide it is there, and what of it may go there. */

/** Characters that a terminal shows in two columns (Unicode's East Asian Width W and F, and emoji). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
/** Those that stand on the one before, and those that are not seen. */
const NARROW = /^[\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns that a line of printable text takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOfCharacter(character);
  return columns;
}

const columnsOfCharacter = (character: string): number =>
  NARROW.test(character) ? 0 : WIDE.test(character) ? 2 : 1;

/** As much of a line's beginning as fits into so many columns. */
export function clipToColumns(text: string, columns: number): string {
  let left = columns;
  let end = 0;
  for (const character of text) {
    left -= columnsOfCharacter(character);
    if (left < 0) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

const TAB_COLUMNS = 8;

/**
 * A line as a terminal would show it at last, without what moves its cursor: what a carriage return lets be written over is
 * gone, tabs are spaces, orders to the terminal and other control characters are left out.
 */
export function printable(line: string): string {
  const text = line
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replaceAll(/\x1b(\[[0-9;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[ -/]*[0-~])/g, "")
    .replace(/\r+$/, "");
  let shown = "";
  for (const character of text.slice(text.lastIndexOf("\r") + 1)) {
    if (character === "\t") shown += " ".repeat(TAB_COLUMNS - (columnsOf(shown) % TAB_COLUMNS));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    else if (!/[\x00-\x1f\x7f-\x9f]/.test(character)) shown += character;
  }
  return shown;
}
