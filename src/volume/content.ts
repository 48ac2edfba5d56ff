import { spawn } from "node:child_process";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { unpackLayer } from "../archive/index.ts";
import { internal } from "../errors/index.ts";

/** A folder as a tar. The stream fails when the folder could not be read to its end. */
export function packFolder(shim: string, folder: string, signal: AbortSignal): Readable {
  const child = spawn(shim, ["pack", folder], { stdio: ["ignore", "pipe", "pipe"] });
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  const output = new PassThrough();
  const complaint = text(child.stderr);
  child.stdout.pipe(output, { end: false });
  child.once("error", (error) => output.destroy(error));
  child.once("close", async (code) => {
    signal.removeEventListener("abort", stop);
    if (code === 0) output.end();
    else output.destroy(internal(`the volume could not be read: ${(await complaint).trim()}`));
  });
  return output;
}

/** Unpack a tar into a folder. Throws invalid for a bad archive. */
export async function unpackInto(
  shim: string,
  folder: string,
  archive: Readable,
  signal: AbortSignal,
): Promise<void> {
  await unpackLayer({ shim, layer: { stream: archive }, folder, lower: [], plain: true }, signal);
}

/**
 * Copy a folder with all that its files have; blocks are shared where the file system can. Without CAP_SYS_RESOURCE, which
 * ext4 lets write over a limit (quotactl(2)).
 */
export async function copyFolder(from: string, to: string): Promise<void> {
  const copy = ["cp", "-a", "--reflink=auto", `${from}/.`, to];
  const child = spawn("setpriv", ["--bounding-set", "-sys_resource", ...copy], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  const [complaint, code] = await Promise.all([text(child.stderr), ended]);
  if (code !== 0) throw internal(`the volume could not be copied: ${complaint.trim()}`);
}
