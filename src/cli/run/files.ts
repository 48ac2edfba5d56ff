import { once } from "node:events";
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { ExitError } from "../command/usage-error.ts";

/** Write to a file next to it and give it its name when it is whole. */
export async function writeFileWhole(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  const file = createWriteStream(temporary, { mode: 0o600 });
  try {
    for await (const chunk of bytes) if (!file.write(chunk)) await once(file, "drain");
    file.end();
    await once(file, "close");
    renameSync(temporary, path);
  } catch (error) {
    file.destroy();
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The bytes of a file, or of stdin for "-". */
export function sourceOf(path: string): AsyncIterable<Uint8Array> {
  if (path === "-") return process.stdin;
  if (!existsSync(path)) throw new ExitError(1, `open ${path}: no such file or directory`);
  if (statSync(path).isDirectory()) throw new ExitError(1, `read ${path}: is a directory`);
  return createReadStream(path, { highWaterMark: 1 << 20 });
}
