import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { invalid, notFound, unsupported } from "../errors/index.ts";
import type { EventLog } from "../events/index.ts";
import { randomHex, removeTree } from "../platform/index.ts";
import type { Migration, Store } from "../store/index.ts";
import type { Volume, VolumeService } from "./service.ts";

export const migrations: readonly Migration[] = [
  { id: "0300-volume", sql: "CREATE TABLE volume (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT" },
];

/** Volumes as folders ROOT/NAME/_data. The row is written after the folder is made and deleted before it is removed. */
export function createVolumeService({
  store,
  root,
  events,
}: {
  store: Store;
  root: string;
  events: EventLog;
}): VolumeService {
  const { database } = store;
  const volumes = new Map<string, Volume>();
  mkdirSync(root, { recursive: true, mode: 0o711 });
  for (const row of database.prepare("SELECT name, document FROM volume").all()) {
    // The column holds what `ensure` wrote, and nothing else.
    volumes.set(String(row.name), JSON.parse(String(row.document)) as Volume);
  }
  const notify = (volume: Volume, Action: string) =>
    events.publish({
      Type: "volume",
      Action,
      Actor: { ID: volume.name, Attributes: { driver: volume.driver } },
    });
  return {
    async ensure({ name: asked, driver, labels, options }) {
      const known = volumes.get(asked);
      if (known !== undefined) return known;
      if (driver !== "" && driver !== "local")
        throw notFound(`error looking up volume plugin ${driver}: plugin "${driver}" not found`);
      if (Object.keys(options).length > 0)
        throw unsupported("options of the local volume driver are not supported by this engine");
      const name = asked === "" ? randomHex(32) : asked;
      if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) || name.length > 255) {
        throw invalid(
          `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
        );
      }
      const mountpoint = join(root, name, "_data");
      mkdirSync(mountpoint, { recursive: true, mode: 0o755 });
      const volume: Volume = {
        name,
        driver: "local",
        mountpoint,
        createdAt: new Date().toISOString(),
        labels,
        options,
        anonymous: asked === "",
      };
      database.prepare("INSERT INTO volume (name, document) VALUES (?, ?)").run(name, JSON.stringify(volume));
      store.afterCommit(() => volumes.set(name, volume));
      notify(volume, "create");
      return volume;
    },
    find: (name) => volumes.get(name),
    list: () => [...volumes.values()],
    async remove(name) {
      const volume = volumes.get(name);
      if (volume === undefined) throw notFound(`get ${name}: no such volume`);
      database.prepare("DELETE FROM volume WHERE name = ?").run(name);
      store.afterCommit(() => volumes.delete(name));
      await removeTree(join(root, name));
      notify(volume, "destroy");
    },
  };
}
