import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IgnoreRules } from "../../dockerfile/index.ts";
import { ExitError } from "../command/usage-error.ts";
import { walkContext } from "./context-walk.ts";
import type { ExtraFile } from "./send-context.ts";

/**
 * A tar of what a folder holds that is not ignored, and of `extra`, which replaces files of the same names. tar(1) writes
 * it: names of any length and bytes, times as they are, all owned by root. Throws ExitError when it fails.
 */
export async function* packContext(
  folder: string,
  rules: IgnoreRules,
  extra: readonly ExtraFile[],
): AsyncGenerator<Uint8Array> {
  const own = mkdtempSync(join(tmpdir(), "gantry-build-"));
  try {
    for (const { name, content } of extra) writeFileSync(join(own, name), content);
    const names = new Set(extra.map(({ name }) => name));
    const tar = spawn(
      "tar",
      [
        ...[
          "--create",
          "--file=-",
          "--format=gnu",
          "--no-recursion",
          "--owner=0",
          "--group=0",
          "--numeric-owner",
        ],
        ...[`--directory=${own}`, ...names],
        ...[`--directory=${folder}`, "--null", "--verbatim-files-from", "--files-from=-"],
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    const ended = once(tar, "close");
    tar.stdin.on("error", () => undefined);
    for (const { name } of walkContext(Buffer.from(folder), rules))
      if (!names.has(name)) tar.stdin.write(Buffer.from(`${name}\0`, "latin1"));
    tar.stdin.end();
    yield* tar.stdout;
    const [code] = await ended;
    if (code !== 0) throw new ExitError(1, `the build context ${folder} could not be packed`);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}
