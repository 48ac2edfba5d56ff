import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { internal } from "../../errors/index.ts";
import type { BuildContext } from "../dependencies.ts";

/** All files of an image as a tar, put together by the native helper. A failure on the way breaks the stream off. */
export async function exportTree(
  context: BuildContext,
  image: string,
  signal: AbortSignal,
): Promise<Readable> {
  const { chainId } = await context.images.resolve(image);
  const lower = chainId === undefined ? [] : context.snapshotter.view(chainId).lower;
  if (lower.length === 0) throw internal(`the image ${image} has no files`);
  const child = spawn(context.shim, ["pack", ...lower], { stdio: ["ignore", "pipe", "pipe"], signal });
  let words = "";
  child.stderr.on("data", (chunk) => {
    words += String(chunk);
  });
  child.once("error", (cause) => child.stdout.destroy(cause));
  child.once("close", (code) => {
    if (code !== 0) child.stdout.destroy(internal(`the files could not be packed: ${words.trim()}`));
  });
  return child.stdout;
}
