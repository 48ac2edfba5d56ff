import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A build context in a folder of its own; removed with the disposal. Names ending in "/" are folders. */
export function contextOf(
  files: Readonly<Record<string, string | Uint8Array>>,
): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "gantry-context-"));
  for (const [name, content] of Object.entries(files)) {
    const place = join(path, name);
    mkdirSync(name.endsWith("/") ? place : dirname(place), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(place, content);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
