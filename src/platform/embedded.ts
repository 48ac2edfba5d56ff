import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { randomHex } from "./random.ts";
import { sourceTreeShimPath } from "./shim-path.ts";

/**
 * What the compiled file carries besides its code: the native helper and the archives of the built-in images. The
 * build passes their places inside the file through these names; a run from the sources finds them in the build
 * folders instead.
 */
interface EmbeddedFiles {
  readonly shim: string;
  readonly archives: Readonly<Record<string, string>>;
}

declare global {
  var gantryEmbedded: EmbeddedFiles | undefined;
}

/** The command that runs this program again: the compiled file alone, or Bun with the script from the sources. */
export function ownCommand(): string[] {
  if (globalThis.gantryEmbedded !== undefined) return [process.execPath];
  return [process.execPath, ...process.argv.slice(1, 2)];
}

/** A program can only be executed from a real file: the helper is written to `folder` once, under its content's hash. A
 * container may have it as its init, whoever its user is. */
export function installShim(folder: string): string {
  const embedded = globalThis.gantryEmbedded;
  if (embedded === undefined) return sourceTreeShimPath();
  const bytes = readFileSync(embedded.shim);
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const path = join(folder, `gantry-shim-${digest}`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const temporary = `${path}.${randomHex(4)}`;
  writeFileSync(temporary, bytes, { mode: 0o555 });
  chmodSync(temporary, 0o555);
  renameSync(temporary, path);
  return path;
}

/** The archive of a built-in image, such as "busybox". Read whole (2 MB): a stream cannot be opened inside the compiled file. */
export function openEmbeddedArchive(name: string): Readable {
  const path =
    globalThis.gantryEmbedded?.archives[name] ??
    join(import.meta.dirname, "../../dist/images", `${name}.tar`);
  return Readable.from([readFileSync(path)]);
}
