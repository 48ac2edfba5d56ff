import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ContainerContext } from "./dependencies.ts";
import { settle } from "./live.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord } from "./record.ts";
import { exitCodeOf, removing } from "./state.ts";

/**
 * Remove a container that does not run; the caller holds its lock. Volumes go first, under a row that says so, then
 * the rows in one transaction, then the folders: a crash in between is finished at the next start of the daemon.
 */
export async function removeStopped(
  context: ContainerContext,
  record: ContainerRecord,
  options: { volumes: boolean },
): Promise<void> {
  const { id, definition } = record;
  const own = options.volumes ? definition.mounts.filter((mount) => mount.anonymous) : [];
  if (own.length > 0) {
    context.table.setState(id, removing(record.state));
    for (const mount of own) await removeVolumeIfUnused(context, id, mount.Name ?? "");
  }
  context.store.transaction(() => {
    context.execs.deleteOf(id);
    context.network.forget(id);
    context.table.delete(id);
    context.snapshotter.deleteActive(id);
  });
  await context.snapshotter.removeActive(id);
  rmSync(join(context.folder, id), { recursive: true, force: true });
  const live = context.live.of(id);
  for (const attachment of live.attachments) attachment.abandon();
  context.live.forget(id);
  notify(context, record, "destroy");
  const result = { statusCode: exitCodeOf(record.state) };
  settle(live.exitWaiters, result);
  settle(live.removalWaiters, result);
}

/** An anonymous volume may have been borrowed by another container through `--volumes-from`. */
async function removeVolumeIfUnused(context: ContainerContext, owner: string, name: string): Promise<void> {
  const borrowed = context.table
    .list()
    .some((other) => other.id !== owner && other.definition.mounts.some((mount) => mount.Name === name));
  if (borrowed) return;
  await context.volumes.discard(name);
}
