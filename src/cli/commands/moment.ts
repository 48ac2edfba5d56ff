import { parseTimestamp } from "../../units/index.ts";

/**
 * A moment of `--since` or `--until` as seconds with nine decimals, which every daemon understands: "42m" ago is reckoned
 * by this machine's clock. undefined for none. Throws invalid.
 */
export function momentOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  const ns = parseTimestamp(text, Date.now());
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, "0")}`;
}
