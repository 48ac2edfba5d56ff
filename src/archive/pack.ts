import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { parseDigest } from "../content/index.ts";
import { internal } from "../errors/index.ts";
import { runHelper } from "../platform/index.ts";
import type { Unpacked } from "./unpack.ts";

/**
 * The tree that folders make together (topmost first; whiteouts of the upper ones hide what lies below) as a tar, the
 * same bytes for the same tree. Destroying the stream ends the helper; its failure is the stream's.
 */
export function packTree(shim: string, folders: readonly string[]): Readable {
  const child = spawn(shim, ["pack", ...folders], { stdio: ["ignore", "pipe", "pipe"] });
  let sentence = "";
  child.stderr.on("data", (chunk) => {
    sentence += String(chunk);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => reject(internal(`cannot run ${shim}`, { cause })));
    child.once("close", resolve);
  });
  ended.catch(() => undefined);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* child.stdout;
      const code = await ended;
      if (code !== 0)
        throw internal(
          `failed to pack the files: ${sentence.trim() || `the helper ended with code ${code}`}`,
        );
    } finally {
      child.kill("SIGKILL");
    }
  }
  return Readable.from(bytes(), { objectMode: false });
}

export interface PackRequest {
  /** The native helper. */
  readonly shim: string;
  /** The upper folder of an overlay, or an unpacked layer. */
  readonly folder: string;
  /** Where the tar goes; without it only its digest is made. */
  readonly tarPath?: string;
  /** Seconds since the epoch: later times in the folder become this one, in the tar and on the disk. */
  readonly latestSeconds?: number;
}

/**
 * A folder of changes as a layer's tar: the reverse of `unpackLayer`, the same bytes for the same folder (whiteouts and
 * opaque folders as OCI image-spec layer.md has them, names in byte order). Throws internal when the kernel refuses.
 */
export async function packLayer(request: PackRequest, signal: AbortSignal): Promise<Unpacked> {
  const { shim, folder, tarPath, latestSeconds } = request;
  const args = ["pack", ...(tarPath === undefined ? ["--digest"] : ["--tar", tarPath])];
  if (latestSeconds !== undefined) args.push("--latest", String(latestSeconds));
  const { code, stdout, stderr } = await runHelper(shim, [...args, folder], "", signal);
  const [diffId, tarBytes, fileBytes, entries] = stdout.toString("latin1").trim().split(" ");
  if (code !== 0 || diffId === undefined || entries === undefined) {
    throw internal(`failed to pack layer: ${stderr.trim() || `the helper ended with code ${code}`}`);
  }
  return {
    diffId: parseDigest(diffId),
    tarBytes: Number(tarBytes),
    fileBytes: Number(fileBytes),
    entries: Number(entries),
  };
}
