import type { Readable, Writable } from "node:stream";
import type {
  ContainerCreateBody,
  ContainerExplanation,
  ContainerInspect,
  ContainerSummary,
  EndpointSettings,
  ExecConfig,
  ExecInspect,
  FilesystemChange,
  Filters,
  ImageConfig,
  PathStat,
  StatsReply,
  TopReply,
  UpdateBody,
} from "../wire/index.ts";

/**
 * Containers: create, start, stop, look at, remove, and run more processes in them.
 *
 * `reference` is everywhere what Docker takes: full id, unambiguous prefix of it, or name (with or without the slash).
 * All methods throw `EngineError` with Docker's words: not-found "No such container: x", conflict, not-modified, …
 */
export interface ContainerService {
  create(request: CreateRequest): Promise<{ id: string; warnings: string[] }>;
  /** not-modified when it already runs. */
  start(reference: string): Promise<void>;
  /** Signal (the container's stop signal by default), wait `timeoutSeconds` (-1 = for ever), then SIGKILL. not-modified when it does not run. */
  stop(reference: string, options: { timeoutSeconds?: number; signal?: string }): Promise<void>;
  restart(reference: string, options: { timeoutSeconds?: number; signal?: string }): Promise<void>;
  kill(reference: string, signal: string): Promise<void>;
  /** conflict unless it runs and is not paused. */
  pause(reference: string): Promise<void>;
  unpause(reference: string): Promise<void>;
  /** Change limits and restart policy, of a running container at once. Gives warnings. */
  update(reference: string, changes: UpdateBody): Promise<string[]>;
  /** Its processes as ps(1) with these options shows them. */
  top(reference: string, psArgs: string): Promise<TopReply>;
  /** A sample a second, until the container is removed or `signal` aborts. */
  streamStats(reference: string, signal: AbortSignal): AsyncIterable<StatsReply>;
  readStats(reference: string, options: { oneShot: boolean }, signal: AbortSignal): Promise<StatsReply>;
  rename(reference: string, name: string): Promise<void>;
  remove(reference: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  /** Throws not-found at once; `result` settles when the condition holds, or rejects with cancelled on abort. */
  wait(reference: string, condition: WaitCondition, signal: AbortSignal): { result: Promise<WaitResult> };
  list(options: {
    all: boolean;
    limit: number;
    size: boolean;
    filters: Filters;
  }): Promise<ContainerSummary[]>;
  inspect(reference: string, options: { size: boolean }): Promise<ContainerInspect>;
  /** What makes it: namespaces, control group, layers, rights, networks and the launch plan, operation by operation. */
  explain(reference: string): Promise<ContainerExplanation>;
  /** The same of a container that was only asked for. Nothing is made. Throws what create and start would. */
  explainRequest(request: CreateRequest): Promise<ContainerExplanation>;
  /** Throws before the stream begins when the container is unknown or its log driver cannot be read. */
  logs(reference: string, options: LogOptions, signal: AbortSignal): Promise<OutputStream>;
  attach(reference: string, options: AttachOptions): Promise<AttachedStreams>;
  resize(reference: string, rows: number, columns: number): Promise<void>;

  /** Bring it into a network, or take it out, running or not. Throws not-found, invalid or forbidden. */
  connectNetwork(network: string, reference: string, settings: Partial<EndpointSettings>): Promise<void>;
  disconnectNetwork(network: string, reference: string, options: { force: boolean }): Promise<void>;

  /** Remove all that do not run. Filters: until, label, label!. */
  prune(filters: Filters): Promise<{ ids: string[]; bytes: number }>;
  /** Make an image of what the container has changed. Resolves with its id. */
  commit(reference: string, options: CommitOptions, signal: AbortSignal): Promise<string>;
  /** All files of the container as a tar. */
  export(reference: string): Readable;
  /** What is at a path. Throws not-found, invalid. */
  statPath(reference: string, path: string, signal: AbortSignal): Promise<PathStat>;
  /** What is at a path, as a tar; `content` is to be read to its end or destroyed. */
  packPath(
    reference: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ stat: PathStat; content: Readable }>;
  /** Unpack a tar, compressed or not, into a folder. Throws forbidden where it is read-only. */
  unpackInto(
    reference: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: ExtractOptions,
    signal: AbortSignal,
  ): Promise<void>;
  /** What differs from the image. */
  changes(reference: string, signal: AbortSignal): Promise<FilesystemChange[]>;

  createExec(reference: string, config: ExecConfig): Promise<{ id: string }>;
  /** Attached: resolves with the streams once the process runs. Detached: resolves with undefined. */
  startExec(
    execId: string,
    options: { detach: boolean; tty: boolean; consoleSize?: [rows: number, columns: number] },
  ): Promise<AttachedStreams | undefined>;
  inspectExec(execId: string): ExecInspect;
  resizeExec(execId: string, rows: number, columns: number): Promise<void>;
}

export interface CommitOptions {
  /** Both empty for an image without a name. */
  readonly repository: string;
  readonly tag: string;
  readonly author: string;
  readonly comment: string;
  readonly pause: boolean;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** Settings that take the place of the container's own. */
  readonly config: ImageConfig;
}

export interface ExtractOptions {
  /** Refuse to put a folder in the place of anything else, and anything else in that of a folder. */
  readonly noOverwriteDirNonDir: boolean;
  /** Everything becomes the container's user's. */
  readonly copyUidGid: boolean;
}

export interface CreateRequest extends ContainerCreateBody {
  /** Empty for a made-up one. */
  readonly name: string;
  readonly platform?: string;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface WaitResult {
  readonly statusCode: number;
  readonly error?: string;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Nanoseconds since the epoch; 0n = no bound. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** -1 = all lines. */
  readonly tail: number;
}

/** Bytes as they go over the wire: raw for a terminal, else in 8-byte-header frames. */
export interface OutputStream {
  readonly tty: boolean;
  readonly output: Readable;
}

export interface AttachOptions {
  readonly stream: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay what is in the log first. */
  readonly logs: boolean;
  /** Keys that end the attachment when read from the client; undefined = the default ctrl-p,ctrl-q (terminals only). */
  readonly detachKeys?: string;
}

export interface AttachedStreams extends OutputStream {
  /** Absent without stdin. End it for end of file. */
  readonly input?: Writable;
  close(): Promise<void>;
}
