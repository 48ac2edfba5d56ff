/**
 * JSON in which whole numbers beyond a double's reach are bigints, not the nearest double: limits and arguments of
 * system calls have 64 bits. Throws SyntaxError.
 */
export function parseJsonExactly(text: string): unknown {
  type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;
  const revive: Reviver = (_key, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context?.source ?? "0")
      : value;
  return JSON.parse(text, revive);
}
