import { invalid } from "../../errors/index.ts";
import { parseBytes } from "../../units/index.ts";

/**
 * `--storage-opt size=…`: what a writable layer may take on the disk, in bytes; the daemon's default without one. undefined:
 * no limit, which size=0 stands for too. Throws invalid in Docker's words.
 */
export function layerLimitOf(
  options: Readonly<Record<string, string>> | undefined,
  defaultBytes: number | undefined,
): number | undefined {
  let bytes = defaultBytes;
  for (const [key, value] of Object.entries(options ?? {})) {
    if (key.toLowerCase() !== "size") throw invalid(`Unknown option ${key.toLowerCase()}`);
    bytes = parseBytes(value);
  }
  return bytes === 0 ? undefined : bytes;
}
