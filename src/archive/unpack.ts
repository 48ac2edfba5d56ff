import { spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Digest, parseDigest } from "../content/index.ts";
import { cancelled, EngineError, internal, invalid } from "../errors/index.ts";
import { MAX_RATIO, SMALL_BYTES } from "./proportion.ts";

/** Exit codes of `gantry-shim unpack`: EX_DATAERR for a bad archive, EX_TEMPFAIL for `parents: "refuse"`. */
const BAD_ARCHIVE = 65;
const NEEDS_PARENTS = 75;

export interface UnpackRequest {
  /** The native helper. */
  readonly shim: string;
  /** The layer: a file, or a stream that is read to its end. Plain, gzip, zstd, xz or bzip2. */
  readonly layer: { readonly path: string } | { readonly stream: Readable };
  readonly folder: string;
  /**
   * Folders of the layers below, topmost first, whose attributes are taken for parents that the layer does not bring;
   * "unknown" when they are not there yet: then such a parent ends the work with `needsParents`.
   */
  readonly lower: readonly string[] | "unknown";
  /** It is no layer: names of whiteouts mean nothing in it. */
  readonly plain?: boolean;
  /** A tar of more bytes is refused: a small blob must not fill the disk. Without, a stream's own bytes set the limit as they come. */
  readonly limitBytes?: number;
  /** Also write the uncompressed bytes to this file. */
  readonly tarPath?: string;
}

export interface Unpacked {
  /** Digest of the uncompressed tar (OCI image-spec, config.md, "DiffID"). */
  readonly diffId: Digest;
  readonly tarBytes: number;
  /** Bytes of the files, as Docker counts the size of a layer. */
  readonly fileBytes: number;
  readonly entries: number;
}

/**
 * Turn a layer into files with the native helper (confined to `folder`, see native/archive_tree.h).
 *
 * Throws invalid with the entry's name for a corrupt or hostile archive, internal when the kernel refuses, cancelled
 * on abort. The folder's content is undefined after a failure. "needs-parents" only when `lower` is "unknown".
 */
export async function unpackLayer(
  request: UnpackRequest,
  signal: AbortSignal,
): Promise<Unpacked | "needs-parents"> {
  return outcome(await runUnpack(request, signal));
}

/** What became of a tar that was written to a file in any case. */
export interface Kept {
  /** Digest of the whole tar. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The failure is that of an archive that is no sound layer. */
  readonly unpacked: Unpacked | "needs-parents" | EngineError;
}

/**
 * Like unpackLayer for a stream of which `tarPath` keeps all bytes, also when they turn out to be no sound layer or one
 * that wants its parents. Throws internal when the kernel refuses, cancelled on abort.
 */
export async function unpackAndKeep(
  request: UnpackRequest & { readonly tarPath: string },
  signal: AbortSignal,
): Promise<Kept> {
  const ended = await runUnpack(request, signal);
  const [digest, bytes] = ended.stdout.trim().split(" ");
  if (digest === undefined || bytes === undefined) {
    const sentence = ended.stderr.trim() || `the helper ended with code ${ended.code}`;
    throw internal(`failed to unpack layer: ${sentence}`);
  }
  const kept = { digest: parseDigest(digest), sizeBytes: Number(bytes) };
  try {
    return { ...kept, unpacked: outcome(ended) };
  } catch (error) {
    if (error instanceof EngineError && error.kind === "invalid") return { ...kept, unpacked: error };
    throw error;
  }
}

async function runUnpack(request: UnpackRequest, signal: AbortSignal): Promise<Ended> {
  signal.throwIfAborted();
  await using file = "path" in request.layer ? await open(request.layer.path) : undefined;
  const args = ["unpack"];
  if (request.lower === "unknown") args.push("--parents", "refuse");
  else for (const folder of request.lower) args.push("--lower", folder);
  if (request.plain === true) args.push("--plain", "yes");
  if (request.limitBytes !== undefined) args.push("--limit", String(request.limitBytes));
  else if ("stream" in request.layer) args.push("--limit", String(SMALL_BYTES), "--ratio", String(MAX_RATIO));
  if (request.tarPath !== undefined) args.push("--tar", request.tarPath);
  const child = startChild(request.shim, [...args, request.folder], file, signal);
  if ("stream" in request.layer && child.stdin !== null) {
    // A helper that refuses the archive closes its end; its own words then say more than EPIPE.
    const fed = pipeline(request.layer.stream, child.stdin).then(
      () => undefined,
      (error: unknown) => error,
    );
    const [ended, feedError] = await Promise.all([child.ended, fed]);
    // A source that broke off looks like a cut archive to the helper.
    const isSourceAtFault = feedError instanceof EngineError && !signal.aborted;
    if (isSourceAtFault || (ended.code === 0 && feedError !== undefined)) throw feedError;
    return settled(ended, signal);
  }
  return settled(await child.ended, signal);
}

function settled(ended: Ended, signal: AbortSignal): Ended {
  if (signal.aborted) throw cancelled("unpacking of a layer was cancelled", { cause: signal.reason });
  return ended;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function startChild(shim: string, args: string[], file: FileHandle | undefined, signal: AbortSignal) {
  const child = spawn(shim, args, { stdio: [file === undefined ? "pipe" : file.fd, "pipe", "pipe"] });
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", (cause) => reject(internal(`cannot run ${shim}`, { cause })));
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  }).finally(() => signal.removeEventListener("abort", stop));
  return { stdin: child.stdin, ended };
}

function outcome(ended: Ended): Unpacked | "needs-parents" {
  const sentence = ended.stderr.trim();
  if (ended.code === NEEDS_PARENTS) return "needs-parents";
  if (ended.code === BAD_ARCHIVE) throw invalid(`failed to unpack layer: ${sentence}`);
  const [diffId, tarBytes, fileBytes, entries] = ended.stdout.trim().split(" ");
  if (ended.code !== 0 || diffId === undefined || entries === undefined) {
    throw internal(`failed to unpack layer: ${sentence || `the helper ended with code ${ended.code}`}`);
  }
  return {
    diffId: parseDigest(diffId),
    tarBytes: Number(tarBytes),
    fileBytes: Number(fileBytes),
    entries: Number(entries),
  };
}
