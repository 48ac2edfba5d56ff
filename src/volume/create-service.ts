import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { conflict, invalid, notFound } from "../errors/index.ts";
import type { EventLog } from "../events/index.ts";
import { keyedMutex, randomHex, removeTree } from "../platform/index.ts";
import { explainLimited, type FolderQuotas } from "../quota/index.ts";
import { folderBytes } from "../snapshot/index.ts";
import type { Store } from "../store/index.ts";
import type { Filters, VolumeInspect } from "../wire/index.ts";
import { copyFolder, packFolder, unpackInto } from "./content.ts";
import { truth, volumeFilter } from "./filters.ts";
import { isMountVolume, limitOf, mountVolume, unmountVolume, validateOptions } from "./local-mount.ts";
import type { ContainerVolumes, Volume, VolumeRequest, VolumeService, VolumeUse } from "./service.ts";
import { createVolumeTable } from "./table.ts";

export interface VolumeServiceOptions {
  readonly store: Store;
  readonly root: string;
  readonly events: EventLog;
  readonly shimPath: string;
  /** Of a folder that `root` lies in. */
  readonly quotas: FolderQuotas;
  /** Whose a new volume is; the engine's without one. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Ids of the containers, running or not, that have a volume among their mounts. */
  readonly usedBy: (name: string) => readonly string[];
}

const ANONYMOUS_LABEL = "com.docker.volume.anonymous";

/**
 * Volumes as folders ROOT/NAME/_data. The row is written after the folder is made and deleted before it is removed; a file
 * ROOT/.removed/NAME, which is no name of a volume, says meanwhile that what is in the folder is nobody's. One volume is
 * changed by one at a time.
 */
export function createVolumeService(options: VolumeServiceOptions): VolumeService & ContainerVolumes {
  const { store, root, events, shimPath, usedBy, owner, quotas } = options;
  const table = createVolumeTable(store);
  const locks = keyedMutex();
  /** Running containers by volume. */
  const users = new Map<string, Set<string>>();
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const removed = join(root, ".removed");
  mkdirSync(removed, { recursive: true, mode: 0o700 });

  const notify = (volume: Volume, Action: string, extra: Record<string, string> = {}) =>
    events.publish({
      Type: "volume",
      Action,
      Actor: { ID: volume.name, Attributes: { driver: volume.driver, ...extra } },
    });
  const require = (name: string): Volume => {
    const volume = table.get(name);
    if (volume === undefined) throw notFound(`get ${name}: no such volume`);
    return volume;
  };

  async function ensure({
    name: asked,
    driver,
    labels,
    options: driverOptions,
  }: VolumeRequest): Promise<Volume> {
    if (driver !== "" && driver !== "local")
      throw notFound(`error looking up volume plugin ${driver}: plugin "${driver}" not found`);
    const name = asked === "" ? randomHex(32) : asked;
    using _lock = await locks.acquire(name);
    const known = table.get(name);
    if (known !== undefined) return known;
    checkName(name);
    validateOptions(driverOptions);
    if (existsSync(join(removed, name))) await removeFolder(name);
    const mountpoint = join(root, name, "_data");
    const limitBytes = limitOf({ options: driverOptions });
    if (limitBytes === undefined) mkdirSync(mountpoint, { recursive: true, mode: 0o755 });
    else await makeLimited(name, limitBytes);
    if (owner !== undefined) chownSync(mountpoint, owner.uid, owner.gid);
    const volume: Volume = {
      name,
      driver: "local",
      mountpoint,
      createdAt: new Date().toISOString(),
      labels: asked === "" ? { ...labels, [ANONYMOUS_LABEL]: "" } : labels,
      options: driverOptions,
      anonymous: asked === "",
    };
    table.insert(volume);
    notify(volume, "create");
    return volume;
  }

  /** The limit first: what is made in the folder is counted from then on, what is there already never. */
  async function makeLimited(name: string, limitBytes: number): Promise<void> {
    await quotas.check();
    const folder = join(root, name);
    if (existsSync(folder))
      throw conflict(
        `create ${name}: its size cannot be limited, for ${folder} is there already and no volume's: remove it`,
      );
    mkdirSync(folder, { mode: 0o755 });
    try {
      await quotas.limit(folder, limitBytes);
      mkdirSync(join(folder, "_data"), { mode: 0o755 });
    } catch (error) {
      await removeFolder(name);
      throw explainLimited(error, limitBytes);
    }
  }

  async function removeFolder(name: string): Promise<void> {
    await removeTree(join(root, name));
    await quotas.release(join(root, name));
    rmSync(join(removed, name), { force: true });
  }

  async function removeUnused(volume: Volume): Promise<void> {
    await unmountIfMounted(volume);
    writeFileSync(join(removed, volume.name), "");
    table.delete(volume.name);
    await removeFolder(volume.name);
    notify(volume, "destroy");
  }

  const unmountIfMounted = async (volume: Volume) => {
    if (isMountVolume(volume)) await unmountVolume(volume);
  };
  const requireUnused = (name: string) => {
    const holders = usedBy(name);
    if (holders.length > 0) throw conflict(`remove ${name}: volume is in use - [${holders.join(", ")}]`);
  };

  /** Have what is behind a volume's folder mounted while `work` runs. */
  async function withContent<T>(volume: Volume, work: () => Promise<T>): Promise<T> {
    if (!isMountVolume(volume)) return work();
    await mountVolume(volume);
    try {
      return await work();
    } finally {
      if ((users.get(volume.name)?.size ?? 0) === 0) await unmountVolume(volume);
    }
  }

  return {
    ensure,
    create: async (request) => describe(await ensure(request)),
    find: (name) => table.get(name),
    inspect: (name) => describe(require(name)),
    list: (filters) =>
      table
        .list()
        .filter(volumeFilter(filters, (name) => usedBy(name).length > 0))
        .map(describe),
    async remove(name, { force }) {
      using _lock = await locks.acquire(name);
      const volume = table.get(name);
      if (volume === undefined && force) return;
      requireUnused(require(name).name);
      await removeUnused(require(name));
    },
    async discard(name) {
      using _lock = await locks.acquire(name);
      const volume = table.get(name);
      if (volume !== undefined) await removeUnused(volume);
    },
    async prune(filters) {
      const every = [...(filters.get("all") ?? [])].some((value) => truth("all", value));
      const others: Filters = new Map([...filters].filter(([key]) => key !== "all"));
      const matches = volumeFilter(others, () => false);
      const names: string[] = [];
      let bytes = 0;
      for (const { name } of table.list()) {
        using _lock = await locks.acquire(name);
        const volume = table.get(name);
        if (volume === undefined || usedBy(name).length > 0 || !matches(volume)) continue;
        if (!every && !volume.anonymous) continue;
        if (!isMountVolume(volume)) bytes += await folderBytes(volume.mountpoint);
        await removeUnused(volume);
        names.push(name);
      }
      events.publish({
        Type: "volume",
        Action: "prune",
        Actor: { ID: "", Attributes: { reclaimed: String(bytes) } },
      });
      return { names, bytes };
    },
    async acquire(name, use) {
      using _lock = await locks.acquire(name);
      const volume = require(name);
      if (isMountVolume(volume)) await mountVolume(volume);
      const holders = users.get(name) ?? new Set();
      users.set(name, holders.add(use.containerId));
      notify(volume, "mount", attributesOf(use));
    },
    async release(name, use) {
      using _lock = await locks.acquire(name);
      const volume = table.get(name);
      if (users.get(name)?.delete(use.containerId) !== true || volume === undefined) return;
      notify(volume, "unmount", { container: use.containerId });
      if (users.get(name)?.size !== 0) return;
      users.delete(name);
      await unmountIfMounted(volume);
    },
    async reconcile(uses) {
      for (const name of readdirSync(removed)) if (table.get(name) !== undefined) rmSync(join(removed, name));
      // A limit without a volume is of one that was half made.
      const left = new Set([
        ...readdirSync(removed),
        ...quotas.limitedIn(root).map((folder) => basename(folder)),
      ]);
      for (const name of left) {
        // What cannot be removed stays noted: whoever makes a volume of that name is told why.
        if (table.get(name) === undefined) await removeFolder(name).catch(() => undefined);
      }
      for (const { name, containerId } of uses)
        users.set(name, (users.get(name) ?? new Set()).add(containerId));
      for (const volume of table.list()) if (!users.has(volume.name)) await unmountIfMounted(volume);
    },
    async exportTo(name, signal) {
      const volume = require(name);
      if (isMountVolume(volume) && !users.has(name))
        throw conflict(`volume ${name} has its content only while a container that uses it runs`);
      return packFolder(shimPath, volume.mountpoint, signal);
    },
    async importFrom(name, archive, signal) {
      const volume = await ensure({ name, driver: "", labels: {}, options: {} });
      await withContent(volume, () => unpackInto(shimPath, volume.mountpoint, archive, signal));
    },
    async clone(from, to) {
      const source = require(from);
      checkName(to);
      if (table.get(to) !== undefined) throw conflict(`a volume with the name ${to} exists already`);
      const { labels, options: driverOptions } = source;
      if (isMountVolume(source))
        throw invalid(
          `volume ${from} is a mount of ${driverOptions.device}: make another one with the same options`,
        );
      const volume = await ensure({
        name: to,
        driver: "",
        labels: withoutAnonymous(labels),
        options: driverOptions,
      });
      try {
        await copyFolder(source.mountpoint, volume.mountpoint);
      } catch (error) {
        await removeUnused(volume);
        throw error;
      }
      return describe(volume);
    },
  };
}

function withoutAnonymous(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key !== ANONYMOUS_LABEL));
}

function checkName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) && name.length > 1 && name.length <= 255) return;
  throw invalid(
    name.length === 1
      ? `create ${name}: volume name is too short, names should be at least two alphanumeric characters`
      : `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

const attributesOf = ({ containerId, destination, writable }: VolumeUse) => ({
  container: containerId,
  destination,
  propagation: "",
  "read/write": String(writable),
});

const describe = (volume: Volume): VolumeInspect => ({
  CreatedAt: volume.createdAt.replace(/\.\d+Z$/, "Z"),
  Driver: volume.driver,
  Labels: Object.keys(volume.labels).length === 0 ? null : volume.labels,
  Mountpoint: volume.mountpoint,
  Name: volume.name,
  Options: Object.keys(volume.options).length === 0 ? null : volume.options,
  Scope: "local",
});
