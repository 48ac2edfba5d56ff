import { invalid } from "../errors/index.ts";

/**
 * Split as a Dockerfile line is: words by blanks, quotes and backslashes taken off (single quotes keep everything,
 * double quotes keep all but backslash before ", $ and \). Throws invalid for an open quote.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === "" && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === quote) {
      quote = "";
    } else if (quote === "" && (char === '"' || char === "'")) {
      quote = char;
      word ??= "";
    } else if (char === "\\" && quote !== "'" && at + 1 < text.length) {
      const next = text.charAt(at + 1);
      if (quote === '"' && !/["$\\]/.test(next)) word = (word ?? "") + char;
      else at++;
      if (quote === "" || /["$\\]/.test(next)) word = (word ?? "") + next;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== "")
    throw invalid(
      `unexpected end of statement while looking for matching ${quote === '"' ? "double" : "single"}-quote`,
    );
  if (word !== undefined) words.push(word);
  return words;
}

/** A JSON list of strings ("exec form"), or undefined when the text is none. */
export function execForm(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.every((item) => typeof item === "string") ? parsed : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
