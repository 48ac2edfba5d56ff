import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import { writeFileWhole } from "../../platform/index.ts";
import type { Runtime } from "./runtimes.ts";

/** Ids are 64 digits; 128 bits of them name a folder, whose sockets' paths have to stay short. */
const FOLDER_DIGITS = 32;

/** The files that a runtime's command is told of, for one container or for one more process in it. */
export interface BundlePaths {
  /** Holds config.json. */
  readonly folder: string;
  /** What `exec` runs. */
  readonly process: string;
  readonly pidFile: string;
  readonly consoleSocket: string;
  /** Where the command writes its errors, as JSON lines. */
  readonly log: string;
  /** Below it mounts are staged that the runtime knows no words for. */
  readonly staging: string;
}

/** What a runtime is given, and how it is to be asked again about it. */
export interface RuntimeBundle {
  readonly runtime: Runtime;
  /** The container's id with the runtime. */
  readonly containerId: string;
  readonly kind: "container" | "exec";
  /** JSON: the container's configuration, or the process to be executed. */
  readonly document: string;
}

/** Bundles lie below EXEC_ROOT: they mean nothing after a restart of the machine. */
export class BundleStore {
  readonly #bundles: string;
  readonly #states: string;

  constructor(execRoot: string) {
    this.#bundles = join(execRoot, "bundles");
    this.#states = join(execRoot, "runtimes");
    mkdirSync(this.#bundles, { recursive: true, mode: 0o711 });
    mkdirSync(this.#states, { recursive: true, mode: 0o711 });
  }

  /** Where a runtime keeps its own state. */
  stateRoot({ name }: Runtime): string {
    return join(this.#states, name);
  }

  paths(id: string): BundlePaths {
    const folder = join(this.#bundles, id.slice(0, FOLDER_DIGITS));
    return {
      folder,
      process: join(folder, "process.json"),
      pidFile: join(folder, "pid"),
      consoleSocket: join(folder, "console.sock"),
      log: join(folder, "log.json"),
      staging: join(folder, "mounts"),
    };
  }

  save(id: string, bundle: RuntimeBundle): void {
    const { folder, process } = this.paths(id);
    mkdirSync(folder, { mode: 0o711 });
    const { document, ...rest } = bundle;
    writeFileWhole(join(folder, RECORD), JSON.stringify(rest), 0o600);
    const file = bundle.kind === "container" ? join(folder, "config.json") : process;
    writeFileSync(file, document, { mode: 0o600 });
  }

  /** undefined for a task of the engine's own making. */
  load(id: string): Omit<RuntimeBundle, "document"> | undefined {
    try {
      // The file holds what `save` wrote, and nothing else.
      return JSON.parse(readFileSync(join(this.paths(id).folder, RECORD), "utf8"));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  list(): string[] {
    return readdirSync(this.#bundles);
  }

  remove(id: string): void {
    rmSync(this.paths(id).folder, { recursive: true, force: true });
  }
}

const RECORD = "runtime.json";
