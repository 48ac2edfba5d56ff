import { constants } from "node:fs";
import { posix } from "node:path";
import { finished, Readable } from "node:stream";
import { conflict, EngineError, notFound } from "../errors/index.ts";
import type { Lock } from "../platform/index.ts";
import { createFileCopier, type FileCopier, type PathStatus } from "../runtime/files/index.ts";
import type { PathStat } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord } from "./record.ts";
import type { ExtractOptions } from "./service.ts";
import { StallGuard } from "./stall.ts";
import { filesOf } from "./start.ts";
import { isRunning } from "./state.ts";
import { acquireVolumes, releaseVolumes } from "./volume-use.ts";

/** What is at a path of the container. A last link is not followed, but it is told where it leads. */
export async function statContainerPath(
  context: ContainerContext,
  reference: string,
  path: string,
  signal: AbortSignal,
): Promise<PathStat> {
  await using opened = await openFiles(context, reference);
  const absolute = absolutePath(path);
  const status = await opened.copier.stat(absolute, signal).catch((error) => explain(error, path, reference));
  return pathStatOf(absolute, status);
}

/**
 * What is at a path, as a tar. A stopped container stays locked until the stream is read or destroyed; the stream fails
 * with conflict when it stands still while others wait for the container.
 */
export async function packContainerPath(
  context: ContainerContext,
  reference: string,
  path: string,
  signal: AbortSignal,
): Promise<{ stat: PathStat; content: Readable }> {
  await using opened = await openFiles(context, reference);
  const absolute = absolutePath(path);
  const name = baseName(absolute);
  const { status, content } = await opened.copier
    .pack(absolute, name === "/" ? "" : name, signal)
    .catch((error) => explain(error, path, reference));
  const { lock, record } = opened;
  const owned = opened.move();
  const guard =
    lock === undefined ? undefined : new StallGuard(lock, () => guarded.destroy(stalled(reference)));
  const guarded = guard === undefined ? content : Readable.from(guard.watch(content), { objectMode: false });
  finished(guarded, () => {
    guard?.[Symbol.dispose]();
    // What is left unread still has its helper.
    content.destroy();
    owned.disposeAsync().catch((error) => context.log.error(`files of ${reference}: ${String(error)}`));
  });
  notify(context, record, "archive-path");
  return { stat: pathStatOf(absolute, status), content: guarded };
}

/** Unpack a tar into a folder of the container. Throws conflict when it stands still while others wait for the container. */
export async function unpackIntoContainer(
  context: ContainerContext,
  reference: string,
  path: string,
  archive: AsyncIterable<Uint8Array>,
  { noOverwriteDirNonDir, copyUidGid }: ExtractOptions,
  signal: AbortSignal,
): Promise<void> {
  await using opened = await openFiles(context, reference);
  const { User } = opened.record.definition.config;
  const options = {
    keepKinds: noOverwriteDirNonDir,
    ...(copyUidGid && User !== "" ? { owner: User } : {}),
  };
  const stall = new AbortController();
  using guard =
    opened.lock === undefined
      ? undefined
      : new StallGuard(opened.lock, () => stall.abort(stalled(reference)));
  await opened.copier
    .unpack(
      absolutePath(path),
      guard?.watch(archive) ?? archive,
      options,
      AbortSignal.any([signal, stall.signal]),
    )
    .catch((error) => {
      stall.signal.throwIfAborted();
      explain(error, path, reference);
    });
  notify(context, opened.record, "extract-to-dir");
}

interface OpenedFiles {
  readonly record: ContainerRecord;
  readonly copier: FileCopier;
  /** The container's, as long as it is held. */
  readonly lock: Lock | undefined;
}

/**
 * The container's files, as its processes have them, or put together for this copy alone: then its lock is held, for a
 * root file system must not be mounted twice.
 */
async function openFiles(
  context: ContainerContext,
  reference: string,
): Promise<AsyncDisposableStack & OpenedFiles> {
  const { id } = context.table.find(reference);
  await using stack = new AsyncDisposableStack();
  const lock = await context.locks.acquire(id);
  using held = new DisposableStack();
  held.use(lock);
  const record = context.table.find(id);
  const { state } = record;
  const { group, operations } = context.planner.view(record, filesOf(context, id));
  if (isRunning(state)) {
    const copier = createFileCopier(context.shim, { operations, process: { pid: state.pid, group } });
    return Object.assign(stack.move(), { record, copier, lock: undefined });
  }
  const kept = held.move();
  stack.defer(() => kept.dispose());
  await acquireVolumes(context, record);
  stack.defer(() => releaseVolumes(context, record));
  return Object.assign(stack.move(), {
    record,
    copier: createFileCopier(context.shim, { operations }),
    lock,
  });
}

const stalled = (reference: string): EngineError =>
  conflict(`the copy was ended: it stood still while another operation waited for container ${reference}`);

function explain(error: unknown, path: string, reference: string): never {
  if (error instanceof EngineError && error.kind === "not-found")
    throw notFound(`Could not find the file ${path} in container ${reference}`, { cause: error });
  throw error;
}

/** From the root, cleaned, but with what says at the end that a folder is meant. */
export function absolutePath(path: string): string {
  const clean = posix.join("/", path).replace(/(?<=.)\/$/, "");
  const separator = clean === "/" ? "" : "/";
  if (/(^|\/)\.\/*$/.test(path) || path === "") return `${clean}${separator}.`;
  return path.endsWith("/") ? `${clean}${separator}` : clean;
}

const baseName = (path: string): string => /([^/]*)\/*$/.exec(path)?.[1] || "/";

function pathStatOf(path: string, { mode, sizeBytes, mtime, linkTarget }: PathStatus): PathStat {
  const [seconds, nanoseconds] = mtime;
  const fraction = String(nanoseconds).padStart(9, "0").replace(/0+$/, "");
  const time = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return {
    name: baseName(path),
    size: sizeBytes,
    mode: goFileMode(mode),
    mtime: `${time}${fraction === "" ? "" : `.${fraction}`}Z`,
    linkTarget,
  };
}

/** Types of stat(2) as Go's os.FileMode has them, whose numbers the API uses. */
const GO_TYPES: ReadonlyMap<number, number> = new Map([
  [constants.S_IFDIR, 2 ** 31],
  [constants.S_IFLNK, 2 ** 27],
  [constants.S_IFBLK, 2 ** 26],
  [constants.S_IFCHR, 2 ** 26 + 2 ** 21],
  [constants.S_IFIFO, 2 ** 25],
  [constants.S_IFSOCK, 2 ** 24],
]);

function goFileMode(mode: number): number {
  const special =
    ((mode & 0o4000) === 0 ? 0 : 2 ** 23) +
    ((mode & 0o2000) === 0 ? 0 : 2 ** 22) +
    ((mode & 0o1000) === 0 ? 0 : 2 ** 20);
  return (mode & 0o777) + special + (GO_TYPES.get(mode & constants.S_IFMT) ?? 0);
}
