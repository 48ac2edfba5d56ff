import { EngineError, invalid } from "../errors/index.ts";
import { parseTimestamp } from "../units/index.ts";
import type { Filters } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { containerFilter } from "./list-filters.ts";
import { removeContainer } from "./remove.ts";
import { isRunning } from "./state.ts";

/** Remove all containers that do not run. Filters: until, label, label!. Resolves with their ids and the bytes freed. */
export async function pruneContainers(
  context: ContainerContext,
  filters: Filters,
): Promise<{ ids: string[]; bytes: number }> {
  const untils = [...(filters.get("until") ?? [])];
  if (untils.length > 1) throw invalid("more than one until filter specified");
  const untilNs = untils[0] === undefined ? undefined : parseTimestamp(untils[0], Date.now());
  const fits = containerFilter(context, new Map([...filters].filter(([key]) => key !== "until")));
  const doomed = context.table
    .list()
    .filter(
      (record) =>
        !isRunning(record.state) &&
        record.state.status !== "restarting" &&
        (untilNs === undefined || record.createdAtNs < untilNs) &&
        fits(record),
    );
  const ids: string[] = [];
  let bytes = 0;
  for (const { id } of doomed) {
    try {
      const size = await context.snapshotter.usage(id);
      await removeContainer(context, id, { force: false, volumes: false, link: false });
      ids.push(id);
      bytes += size;
    } catch (error) {
      // Started or removed by somebody else meanwhile: nothing to prune any more.
      if (!(error instanceof EngineError && (error.kind === "conflict" || error.kind === "not-found")))
        throw error;
    }
  }
  return { ids, bytes };
}
