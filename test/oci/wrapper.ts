import { chmodSync, writeFileSync } from "node:fs";
import { GANTRY } from "../harness/index.ts";

/** A program that other engines can be given as their runtime: `gantry oci`, its state beside the program unless they say where. */
export function writeWrapper(file: string): string {
  const words = GANTRY.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  writeFileSync(file, `#!/bin/sh\nexec ${words} oci --root '${file}.state' "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}
