import type { IdMapEntry, IdMaps, Operation } from "../plan/index.ts";
import type { Linux, SpecIdMapping } from "../spec/index.ts";

/** Maps in the specification's words. */
export const specIdMappings = (entries: readonly IdMapEntry[]): SpecIdMapping[] =>
  entries.map(({ containerId, hostId, size }) => ({ containerID: containerId, hostID: hostId, size }));

export const idMapEntries = (mappings: readonly SpecIdMapping[]): IdMapEntry[] =>
  mappings.map(({ containerID, hostID, size }) => ({ containerId: containerID, hostId: hostID, size }));

/** The maps of a user namespace that is new; one that is joined has its own. */
export function idMapOperations({ namespaces, uidMappings = [], gidMappings = [] }: Linux): Operation[] {
  const user = namespaces.find(({ type }) => type === "user");
  if (user === undefined || user.path !== undefined) return [];
  return [
    {
      op: "id-map",
      uids: idMapEntries(uidMappings),
      gids: idMapEntries(gidMappings),
      allowSetgroups: true,
    },
  ];
}

/** Whose an id of a map is on the host; undefined for one that is not mapped. */
export function hostIdOf(entries: readonly IdMapEntry[], id: number): number | undefined {
  const entry = entries.find(({ containerId, size }) => id >= containerId && id < containerId + size);
  return entry === undefined ? undefined : entry.hostId + id - entry.containerId;
}

/** Whether two containers' ids are the same ones on the host. */
export const areSameMaps = (a: IdMaps | undefined, b: IdMaps | undefined): boolean =>
  JSON.stringify([a?.uids, a?.gids]) === JSON.stringify([b?.uids, b?.gids]);
