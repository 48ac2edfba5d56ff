const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const REPLACEMENT = 0xfffd;
/** The byte that follows a backslash to the byte that is meant (RFC 8259, section 7); 0 = no such escape. */
const MEANT = new Uint8Array(256);
for (const [letter, byte] of Object.entries({
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
})) {
  MEANT[letter.charCodeAt(0)] = byte.charCodeAt(0);
}

/**
 * Copy the inside of a JSON string from `source[start, end)` to `target[at…]` without its escapes and give the position
 * behind it. Works on bytes, so that output which is not UTF-8 passes through as it was written. Never writes more than
 * `end - start` bytes. Gives -1 for an escape that JSON does not know.
 */
export function unescapeInto(target: Buffer, at: number, source: Buffer, start: number, end: number): number {
  let from = start;
  let to = at;
  while (from < end) {
    const byte = source[from] ?? 0;
    if (byte !== BACKSLASH) {
      target[to++] = byte;
      from++;
      continue;
    }
    const kind = source[from + 1] ?? 0;
    if (kind !== LETTER_U) {
      const meant = MEANT[kind] ?? 0;
      if (meant === 0 || from + 2 > end) return -1;
      target[to++] = meant;
      from += 2;
      continue;
    }
    let unit = hexUnit(source, from + 2, end);
    if (unit < 0) return -1;
    from += 6;
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const low =
        unit < 0xdc00 && source[from] === BACKSLASH && source[from + 1] === LETTER_U
          ? hexUnit(source, from + 2, end)
          : -1;
      const paired = low >= 0xdc00 && low <= 0xdfff;
      unit = paired ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : REPLACEMENT;
      if (paired) from += 6;
    }
    to = writeUtf8(target, to, unit);
  }
  return to;
}

/** The four hexadecimal digits at `at`, or -1. */
function hexUnit(source: Buffer, at: number, end: number): number {
  if (at + 4 > end) return -1;
  const digits = source.toString("latin1", at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}

function writeUtf8(target: Buffer, at: number, point: number): number {
  let to = at;
  if (point < 0x80) target[to++] = point;
  else if (point < 0x800) {
    target[to++] = 0xc0 | (point >> 6);
    target[to++] = 0x80 | (point & 0x3f);
  } else {
    if (point < 0x10000) target[to++] = 0xe0 | (point >> 12);
    else {
      target[to++] = 0xf0 | (point >> 18);
      target[to++] = 0x80 | ((point >> 12) & 0x3f);
    }
    target[to++] = 0x80 | ((point >> 6) & 0x3f);
    target[to++] = 0x80 | (point & 0x3f);
  }
  return to;
}
