import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockDatabaseFile } from "../../../platform/index.ts";
import { openStore, type Store } from "../../../store/index.ts";
import { BlobFiles } from "./blob-files.ts";
import { BlobTable } from "./blob-table.ts";
import { ManifestTable } from "./manifest-table.ts";
import { registryMigrations } from "./migrations.ts";
import { Quota } from "./quota.ts";
import { RepositoryTable } from "./repository-table.ts";
import { Uploads } from "./uploads.ts";

/** Longest wait for a transaction of another process (`gantry registry gc`), which holds the lock for some files at a time. */
const BUSY_TIMEOUT_MS = 10_000;

/** What a registry keeps: ROOT/registry.db for all that has rows, ROOT/blobs for files, ROOT/uploads for those on their way in. */
export interface RegistryTables {
  readonly store: Store;
  readonly blobs: BlobTable;
  readonly files: BlobFiles;
  readonly repositories: RepositoryTable;
  readonly manifests: ManifestTable;
}

export interface RegistryStorage extends RegistryTables, AsyncDisposable {
  readonly uploads: Uploads;
  readonly quota: Quota;
}

/** The tables alone, as another process may open them beside a running server. */
export async function openTables(root: string): Promise<RegistryTables & Disposable> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const store = openStore(join(root, "registry.db"), registryMigrations);
  store.database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  return {
    store,
    blobs: new BlobTable(store),
    files: await BlobFiles.open(join(root, "blobs")),
    repositories: new RepositoryTable(store),
    manifests: new ManifestTable(store),
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

/** Open (or make) the storage for the one server that writes to it. Throws conflict when another one has it. */
export async function openStorage(
  root: string,
  quotaBytes: number | undefined,
  maxUploads: number,
): Promise<RegistryStorage> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const lock = lockDatabaseFile(join(root, "server.lock"), `another registry server has the storage ${root}`);
  try {
    const tables = await openTables(root);
    tables.blobs.forgetArriving();
    const quota = new Quota(tables.store, quotaBytes);
    const uploads = await Uploads.open(join(root, "uploads"), { ...tables, quota, limit: maxUploads });
    return {
      ...tables,
      quota,
      uploads,
      async [Symbol.asyncDispose]() {
        tables[Symbol.dispose]();
        lock[Symbol.dispose]();
      },
    };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}
