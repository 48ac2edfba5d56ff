import type { ContainerContext } from "./dependencies.ts";
import type { ContainerRecord } from "./record.ts";

/** The volumes among a container's mounts. */
export const usesOf = ({ id, definition }: ContainerRecord) =>
  definition.mounts.flatMap(({ Type, Name, Destination, RW }) =>
    Type === "volume" && Name !== undefined
      ? [{ name: Name, containerId: id, destination: Destination, writable: RW }]
      : [],
  );

/** Before a start: what is behind its volumes is mounted. The caller releases them when the start fails. */
export async function acquireVolumes(context: ContainerContext, record: ContainerRecord): Promise<void> {
  for (const { name, ...use } of usesOf(record)) await context.volumes.acquire(name, use);
}

/** After its end. */
export async function releaseVolumes(context: ContainerContext, record: ContainerRecord): Promise<void> {
  for (const { name, ...use } of usesOf(record)) await context.volumes.release(name, use);
}
