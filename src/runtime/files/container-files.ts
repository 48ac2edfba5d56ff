import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  cancelled,
  EngineError,
  forbidden,
  internal,
  invalid,
  messageOf,
  notFound,
} from "../../errors/index.ts";
import { encodePlan, type Operation } from "../plan/index.ts";

/** Exit codes of `gantry-shim archive`; see native/mode_archive.c. */
const BAD_REQUEST = 65;
const NOTHING_THERE = 66;
const READ_ONLY = 77;

/** The files of a container: its root and what is mounted over it (native/container_view.h). */
export interface FilesView {
  readonly operations: readonly Operation[];
  /** Of a running container: the mounts are then those that this process has now. */
  readonly process?: { readonly pid: number; readonly group: string };
}

/** What is at a path; a last link is not followed. */
export interface PathStatus {
  /** st_mode of stat(2): type and permissions. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** [seconds, nanoseconds] */
  readonly mtime: readonly [bigint, number];
  /** Where a link leads in the end, inside the tree; "" for anything else. */
  readonly linkTarget: string;
}

export interface UnpackOptions {
  /** A folder is not replaced by anything else, nor anything else by a folder. */
  readonly keepKinds: boolean;
  /** USER[:GROUP] of the container, or "self", whose everything becomes; else the archive says. */
  readonly owner?: string;
  /** Names in the archive that begin with the first begin with the second instead. */
  readonly rename?: readonly [from: string, to: string];
}

/**
 * Copies out of and into a tree with the native helper: a container's, or the machine's own without a view. Paths are
 * absolute; "/" or "/." at the end asks for a folder. All throw not-found for a path where nothing is, invalid for one
 * that cannot be meant, forbidden for what is read-only, cancelled on abort, else internal.
 */
export interface FileCopier {
  stat(path: string, signal: AbortSignal): Promise<PathStatus>;
  /** As a tar whose names begin with `name`. Destroying `content` ends the helper; its failure is the stream's. */
  pack(path: string, name: string, signal: AbortSignal): Promise<{ status: PathStatus; content: Readable }>;
  /** Unpack a tar, compressed or not, into a folder. */
  unpack(
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: UnpackOptions,
    signal: AbortSignal,
  ): Promise<void>;
}

export function createFileCopier(shim: string, view?: FilesView): FileCopier {
  const start = (command: string, options: readonly string[], path: string, signal: AbortSignal) => {
    const { process } = view ?? {};
    const place = [
      ...(view === undefined ? [] : ["--view", "stdin"]),
      ...(process === undefined ? [] : ["--process", String(process.pid), "--group", process.group]),
    ];
    return startHelper(shim, ["archive", command, ...place, ...options, path.replaceAll("\0", "")], signal);
  };
  const plan = view === undefined ? undefined : encodePlan({ start: "now", operations: view.operations });

  return {
    async stat(path, signal) {
      const helper = start("stat", [], path, signal);
      helper.input.end(plan);
      const { status } = await readStatus(helper, signal);
      await helper.finished(signal);
      return status;
    },
    async pack(path, name, signal) {
      const helper = start("get", ["--name", name], path, signal);
      helper.input.end(plan);
      const { status, rest } = await readStatus(helper, signal);
      return { status, content: Readable.from(contentOf(helper, rest, signal), { objectMode: false }) };
    },
    async unpack(path, archive, { keepKinds, owner, rename }, signal) {
      const options = [
        ...(keepKinds ? ["--keep-kinds", "yes"] : []),
        ...(owner === undefined ? [] : ["--owner", owner]),
        ...(rename === undefined ? [] : ["--rename-from", rename[0], "--rename-to", rename[1]]),
      ];
      const helper = start("put", options, path, signal);
      async function* input(): AsyncGenerator<Uint8Array> {
        if (plan !== undefined) yield plan;
        yield* archive;
      }
      // A helper that refuses the archive closes its end; its own words then say more than EPIPE.
      const fed = pipeline(input(), helper.input).then(
        () => undefined,
        (error: unknown) => error,
      );
      await helper.finished(signal);
      const failure = await fed;
      if (failure !== undefined) throw failure;
    },
  };
}

function startHelper(shim: string, args: readonly string[], signal: AbortSignal) {
  signal.throwIfAborted();
  const child = spawn(shim, args, { stdio: "pipe" });
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  let sentence = "";
  child.stderr.on("data", (chunk) => {
    sentence += String(chunk);
  });
  child.stdin.on("error", () => undefined);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => reject(internal(`cannot run ${shim}`, { cause })));
    child.once("close", resolve);
  }).finally(() => signal.removeEventListener("abort", stop));
  ended.catch(() => undefined);
  return {
    input: child.stdin,
    output: child.stdout,
    stop,
    /** Throws unless it has ended well. */
    async finished(aborted: AbortSignal): Promise<void> {
      const code = await ended;
      if (code !== 0) throw failureOf(code, sentence.trim(), aborted);
    },
  };
}

type Helper = ReturnType<typeof startHelper>;

function failureOf(code: number | null, sentence: string, signal: AbortSignal): EngineError {
  if (signal.aborted) return cancelled("the copy was cancelled", { cause: signal.reason });
  if (code === NOTHING_THERE) return notFound(sentence);
  if (code === BAD_REQUEST) return invalid(sentence);
  if (code === READ_ONLY) return forbidden(sentence);
  return internal(sentence || `the helper ended with code ${code}`);
}

const STATUS_FIELDS = 5;

/** The head of the output: five fields, each ended with NUL. */
async function readStatus(
  helper: Helper,
  signal: AbortSignal,
): Promise<{ status: PathStatus; rest: AsyncIterator<Buffer> & { first: Buffer } }> {
  const chunks: AsyncIterator<Buffer> = helper.output[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  for (;;) {
    const end = endOfFields(head);
    if (end > 0) {
      const [mode = "", size = "", seconds = "", nanoseconds = "", linkTarget = ""] = head
        .toString("utf8", 0, end)
        .split("\0");
      const status: PathStatus = {
        mode: Number.parseInt(mode, 8),
        sizeBytes: Number(size),
        mtime: [BigInt(seconds), Number(nanoseconds)],
        linkTarget,
      };
      return { status, rest: Object.assign(chunks, { first: head.subarray(end) }) };
    }
    const next = await chunks.next();
    if (next.done) {
      await helper.finished(signal);
      throw internal("the helper said nothing of the path");
    }
    head = Buffer.concat([head, next.value]);
  }
}

/** Where the fields end; 0 while they are not complete. */
function endOfFields(head: Buffer): number {
  let at = 0;
  for (let field = 0; field < STATUS_FIELDS; field++) {
    at = head.indexOf(0, at) + 1;
    if (at === 0) return 0;
  }
  return at;
}

async function* contentOf(
  helper: Helper,
  rest: AsyncIterator<Buffer> & { first: Buffer },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    if (rest.first.length > 0) yield rest.first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
    await helper.finished(signal);
  } catch (error) {
    throw error instanceof EngineError ? error : internal(messageOf(error), { cause: error });
  } finally {
    helper.stop();
  }
}
