import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { conflict, errnoOf, invalid, notFound } from "../../errors/index.ts";
import { writeFileAtomic } from "../../platform/index.ts";
import { type CgroupLayout, controlGroup } from "../cgroup/index.ts";

/** What the specification calls the state of a container (runtime.md, state), as hooks and callers are given it. */
export interface StateReport {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: Status | "creating";
  readonly pid: number;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export type Status = "created" | "running" | "paused" | "stopped";

/** What is written down of a container; everything else is asked of the kernel. */
export interface ContainerRecord {
  readonly id: string;
  readonly bundle: string;
  readonly pid: number;
  /** Start of the process in clock ticks since boot: with the id of the process it names it for good. */
  readonly pidStartTicks: string;
  readonly createdAt: string;
  readonly cgroupPath: string;
  /** The unit of systemd that has the group; absent where this runtime made it. */
  readonly unit?: string;
  /** Who created it, by name as far as known. */
  readonly owner: string;
  /** config.json at its creation: the bundle may change later. */
  readonly config: string;
}

const FILE = "state.json";
const START_SOCKET = "start.sock";

/** The containers below one state folder (`--root`). */
export class StateStore {
  readonly #root: string;
  readonly #layout: CgroupLayout;

  constructor(root: string, layout: CgroupLayout) {
    this.#root = root;
    this.#layout = layout;
  }

  folder(id: string): string {
    checkId(id);
    return join(this.#root, id);
  }

  startSocket(id: string): string {
    return join(this.folder(id), START_SOCKET);
  }

  /** Take a name. Throws conflict when it is taken. */
  reserve(id: string): string {
    const folder = this.folder(id);
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    try {
      mkdirSync(folder, { mode: 0o711 });
    } catch (cause) {
      if (errnoOf(cause) === "EEXIST") throw conflict("container with given ID already exists", { cause });
      throw cause;
    }
    return folder;
  }

  save(record: ContainerRecord): void {
    writeFileAtomic(join(this.folder(record.id), FILE), JSON.stringify(record), 0o600);
  }

  /** Throws not-found. */
  load(id: string): ContainerRecord {
    try {
      // The file holds what `save` wrote, and nothing else.
      return JSON.parse(readFileSync(join(this.folder(id), FILE), "utf8")) as ContainerRecord;
    } catch (cause) {
      if (errnoOf(cause) === "ENOENT") throw notFound("container does not exist", { cause });
      throw cause;
    }
  }

  remove(id: string): void {
    rmSync(this.folder(id), { recursive: true, force: true });
  }

  /** Those that came to be; a creation under way is none yet. */
  list(): ContainerRecord[] {
    if (!existsSync(this.#root)) return [];
    return readdirSync(this.#root)
      .filter((id) => existsSync(join(this.#root, id, FILE)))
      .map((id) => this.load(id));
  }

  statusOf(record: ContainerRecord): Status {
    if (startTicks(record.pid) !== record.pidStartTicks) return "stopped";
    if (controlGroup(this.#layout, record.cgroupPath).isFrozen()) return "paused";
    return existsSync(this.startSocket(record.id)) ? "created" : "running";
  }
}

export function reportOf(record: ContainerRecord, status: Status | "creating"): StateReport {
  const { ociVersion, annotations }: { ociVersion: string; annotations?: Record<string, string> } =
    JSON.parse(record.config);
  return {
    ociVersion,
    id: record.id,
    status,
    pid: status === "stopped" ? 0 : record.pid,
    bundle: record.bundle,
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function checkId(id: string): void {
  if (id === "") throw invalid("container id cannot be empty");
  if (!/^[\w+.-]+$/.test(id) || id === "." || id === "..")
    throw invalid(`invalid container id format: ${id}`);
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)); undefined for a process that has ended, reaped or not. */
export function startTicks(pid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
  // The name in parentheses may hold anything; what follows are words.
  const words = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = words;
  return state === "Z" || state === "X" ? undefined : words[19];
}
