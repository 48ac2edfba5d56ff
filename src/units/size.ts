import { invalid } from "../errors/index.ts";

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** Bytes in decimal units with so many significant digits, as `images` and `ps -s` show them: "4.26MB". */
export function humanSize(bytes: number, digits = 4): string {
  return scaled(bytes, 1000, DECIMAL, digits);
}

/** Bytes in binary units, as `info` and `stats` show them: "23.5GiB". */
export function binarySize(bytes: number, digits = 4): string {
  return scaled(bytes, 1024, BINARY, digits);
}

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${significant(value, digits)}${units[unit]}`;
}

/** C's %g: significant digits, no trailing zeros, and "1e+03" where rounding leaves more places than digits. */
function significant(value: number, digits: number): string {
  const [number = "", exponent = ""] = value.toPrecision(digits).split("e+");
  const short = number.includes(".") ? number.replace(/\.?0+$/, "") : number;
  return exponent === "" ? short : `${short}e+${exponent.padStart(2, "0")}`;
}

const POWERS: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** "512m", "1.5g", "100KiB", "7" in bytes, all units binary, as flags such as --memory take them. Throws invalid. */
export function parseBytes(text: string): number {
  return parseSize(text, 1024);
}

/** "10m" in bytes with decimal units, as log sizes are given. Throws invalid. */
export function parseDecimalBytes(text: string): number {
  return parseSize(text, 1000);
}

function parseSize(text: string, base: number): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text) ?? [];
  const power = POWERS[unit.toLowerCase()];
  if (number === undefined || power === undefined) throw invalid(`invalid size: '${text}'`);
  const bytes = Math.floor(Number(number) * base ** power);
  // Beyond this a number, and then the kernel's 64-bit counter, would silently hold something else.
  if (!Number.isSafeInteger(bytes)) throw invalid(`invalid size: '${text}'`);
  return bytes;
}
