import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { conflict, errnoOf, invalid, messageOf, unsupported } from "../errors/index.ts";
import type { Migration, Store } from "../store/index.ts";
import { KernelQuotas } from "./kernel.ts";
import { whatIsMissing } from "./missing.ts";

export const quotaMigrations: readonly Migration[] = [
  {
    id: "0015-quota",
    sql: `
      CREATE TABLE quota_project (
        project INTEGER PRIMARY KEY,
        folder TEXT NOT NULL UNIQUE,
        bytes INTEGER NOT NULL
      ) STRICT;
    `,
  },
];

export interface QuotaUse {
  readonly limitBytes: number;
  readonly usedBytes: number;
}

/**
 * Limits of what folders below the data root may take, by project quotas. A row notes folder and project before the
 * kernel is told and until it has forgotten, so that a crash in between leaves nothing that the next start cannot undo.
 */
export interface FolderQuotas {
  /** Throws unsupported, naming what is missing, when the data root's file system cannot limit folders. */
  check(): Promise<void>;
  /**
   * Limit what an empty folder, and all that will be made in it, may take on the disk. Throws unsupported as `check`, and
   * internal when the kernel refuses; then nothing is kept.
   */
  limit(folder: string, bytes: number): Promise<void>;
  /** Give a folder's limit back, after it was removed; nothing happens for one that has none. */
  release(folder: string): Promise<void>;
  /** undefined for a folder without a limit. */
  use(folder: string): Promise<QuotaUse | undefined>;
  /** The folders right below `parent` that have a limit. */
  limitedIn(parent: string): string[];
  /**
   * At start: limits of folders that are gone are given back, those of others set again, in case the data root was
   * moved or mounted otherwise. Gives a sentence for each that does not hold any more.
   */
  restore(): Promise<string[]>;
}

/** What a failure in a folder that was just limited means: for a limit that nothing fits into, a sentence that says so. */
export function explainLimited(error: unknown, bytes: number): unknown {
  if (errnoOf(error) !== "EDQUOT" && errnoOf(error) !== "ENOSPC") return error;
  return invalid(`a size of ${bytes} bytes is too small: the file system needs more for an empty folder`, {
    cause: error,
  });
}

/** Far above what people and other programs number by hand, from 1 or from 2^20 on. */
const FIRST_PROJECT = 0x1000_0000;
/** Each data root has a range of its own, so that two on one file system do not reach for the same project at the same time. */
const RANGE = 0x1_0000;
const RANGES = 0x1000;

export function createFolderQuotas(options: { store: Store; root: string; shim: string }): FolderQuotas {
  const { store, root, shim } = options;
  const { database } = store;
  const kernel = new KernelQuotas(shim);
  const first = FIRST_PROJECT + (createHash("sha256").update(root).digest().readUInt32LE() % RANGES) * RANGE;

  const nameOf = (folder: string) => relative(root, folder);
  const projectOf = (folder: string): number | undefined => {
    const row = database.prepare("SELECT project FROM quota_project WHERE folder = ?").get(nameOf(folder));
    return row === undefined || row === null ? undefined : Number(row.project);
  };
  const isTaken = (project: number): boolean => {
    const row = database.prepare("SELECT 1 AS taken FROM quota_project WHERE project = ?").get(project);
    return row !== undefined && row !== null;
  };
  const rows = () =>
    database
      .prepare("SELECT project, folder, bytes FROM quota_project ORDER BY project")
      .all()
      .map(({ project, folder, bytes }) => ({
        project: Number(project),
        folder: join(root, String(folder)),
        bytes: Number(bytes),
      }));

  /** Note a project that neither this engine nor anybody else on the file system has. */
  async function reserve(folder: string, bytes: number): Promise<number> {
    for (let from = first; from < first + RANGE; ) {
      const project = await kernel.unused(root, from);
      if (project < first + RANGE && !isTaken(project)) {
        database
          .prepare("INSERT INTO quota_project (project, folder, bytes) VALUES (?, ?, ?)")
          .run(project, nameOf(folder), bytes);
        return project;
      }
      from = project + 1;
    }
    throw conflict(
      `all ${RANGE} projects of ${root} have a limit: remove containers or volumes that have a size`,
    );
  }

  const forget = (project: number) =>
    database.prepare("DELETE FROM quota_project WHERE project = ?").run(project);

  const missingHere = async () => whatIsMissing(root, await kernel.state(root));

  async function check(): Promise<void> {
    const missing = await missingHere();
    if (missing !== undefined) throw unsupported(missing);
  }

  async function lift(project: number): Promise<void> {
    await kernel.lift(root, project);
    forget(project);
  }

  return {
    check,
    async limit(folder, bytes) {
      await check();
      const project = await reserve(folder, bytes);
      try {
        await kernel.limit(folder, project, bytes);
      } catch (error) {
        await lift(project);
        throw error;
      }
    },
    async release(folder) {
      const project = projectOf(folder);
      if (project !== undefined) await lift(project);
    },
    async use(folder) {
      const project = projectOf(folder);
      return project === undefined ? undefined : kernel.use(folder, project);
    },
    limitedIn: (parent) =>
      rows()
        .map(({ folder }) => folder)
        .filter((folder) => join(folder, "..") === parent),
    async restore() {
      const faults: string[] = [];
      const limited = rows();
      const missing = limited.length === 0 ? undefined : await missingHere();
      for (const { project, folder, bytes } of limited) {
        try {
          if (!existsSync(folder)) await lift(project);
          else if (missing === undefined) await kernel.limit(folder, project, bytes);
          else throw unsupported(missing);
        } catch (error) {
          faults.push(`the limit of ${folder} does not hold: ${messageOf(error)}`);
        }
      }
      return faults;
    },
  };
}
