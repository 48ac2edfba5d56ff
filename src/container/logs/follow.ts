import { type FileWatch, watchFile } from "../../platform/index.ts";
import { drain, finish } from "./drain.ts";
import type { LogEncoder } from "./encoder.ts";
import { closeLogFiles, inodeOf, type OpenLogFile, openLogFiles } from "./file-set.ts";
import { LineBlocks, readerOf } from "./line-blocks.ts";
import { findTail } from "./tail.ts";

export interface FollowOptions {
  readonly file: string;
  readonly tail: number;
  readonly untilNs: bigint;
  readonly ended: Promise<void>;
}

/** What all steps of following one log share. */
interface Following {
  readonly file: string;
  readonly encoder: LogEncoder;
  readonly watched: FileWatch;
  /** Aborted when nothing more will be written that is wanted. */
  readonly ended: AbortSignal;
  /** Aborted when the reader has gone. */
  readonly signal: AbortSignal;
  readonly either: AbortSignal;
}

/** setTimeout's own limit, 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The log from its tail on, through rotations, until it ends or its time is over. */
export async function* followLog(
  options: FollowOptions,
  encoder: LogEncoder,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const end = new AbortController();
  using _deadline = abortAt(end, options.untilNs);
  options.ended.then(
    () => end.abort(),
    () => end.abort(),
  );
  // Made before the first byte is read: nothing written from now on can go unnoticed.
  using watched = watchFile(options.file);
  const either = AbortSignal.any([signal, end.signal]);
  const following: Following = { file: options.file, encoder, watched, ended: end.signal, signal, either };
  const queue = await firstFiles(following);
  try {
    const start = await findTail(queue, options.tail);
    let { skipBytes, skipLines } = start;
    await closeLogFiles(queue.splice(0, start.index));
    for (let file = queue[0]; file !== undefined; file = queue[0]) {
      using reader = readerOf(file, skipBytes);
      const blocks = new LineBlocks(reader);
      yield* drain(blocks, encoder, signal, skipLines);
      if (queue.length === 1 && !file.compressed) queue.push(...(yield* followFile(following, file, blocks)));
      if (encoder.finished || signal.aborted) return;
      yield* finish(blocks, encoder);
      await closeLogFiles(queue.splice(0, 1));
      skipBytes = 0;
      skipLines = 0;
    }
  } finally {
    await closeLogFiles(queue);
  }
}

/** The files of the log, once it has any; none when it ended without. */
async function firstFiles({ file, ended, watched, signal, either }: Following): Promise<OpenLogFile[]> {
  for (;;) {
    const last = ended.aborted;
    const files = await openLogFiles(file);
    // A compressed one cannot be the last: the file being written is between two names.
    if (files.at(-1)?.compressed === false || last || signal.aborted) return files;
    await closeLogFiles(files);
    await watched.changed(either);
  }
}

/** The file being written, until the log goes on in others: these are the result, none when the log has ended. */
async function* followFile(
  { file, encoder, watched, ended, signal, either }: Following,
  open: OpenLogFile,
  blocks: LineBlocks,
): AsyncGenerator<Buffer, OpenLogFile[], undefined> {
  for (;;) {
    // Both are asked before reading: what was written before the end, or before the rotation, is then read for certain.
    const last = ended.aborted;
    const replaced = (await inodeOf(file)) !== open.inode;
    yield* drain(blocks, encoder, signal);
    if (encoder.finished || signal.aborted) return [];
    const successors = replaced ? await openSuccessors(file, open) : [];
    if (successors.length > 0 || last) return successors;
    await watched.changed(either);
  }
}

/** The files after `open`, oldest first: several when the log rotated more than once. */
async function openSuccessors(file: string, open: OpenLogFile): Promise<OpenLogFile[]> {
  const { mtimeNs } = await open.handle.stat({ bigint: true });
  const files = await openLogFiles(file);
  const place = files.findIndex((one) => one.inode === open.inode);
  // Rotated out of existence, or compressed: then what was written after it counts, and its own copy does not.
  const isNewer = (one: OpenLogFile, index: number) =>
    place === -1 ? !one.compressed && one.writtenNs >= mtimeNs : index > place;
  await closeLogFiles(files.filter((one, index) => !isNewer(one, index)));
  return files.filter(isNewer);
}

function abortAt(controller: AbortController, ns: bigint): Disposable {
  const waitMs = Number(ns / 1_000_000n) - Date.now();
  const timer =
    ns === 0n || waitMs > LONGEST_TIMER_MS
      ? undefined
      : setTimeout(() => controller.abort(), Math.max(0, waitMs));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
