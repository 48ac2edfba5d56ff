import { conflict, internal } from "../errors/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { notify } from "./notify.ts";
import { isRunning, paused, unpaused } from "./state.ts";

/** Freeze all processes of a container. Throws conflict when it does not run or is paused already. */
export async function pauseContainer(context: ContainerContext, reference: string): Promise<void> {
  const { id } = context.table.find(reference);
  using _lock = await context.locks.acquire(id);
  const record = context.table.find(id);
  const { state } = record;
  if (state.status === "restarting")
    throw conflict(`Container ${id} is restarting, wait until the container is running`);
  if (!isRunning(state)) throw conflict(`Container ${id} is not running`);
  if (state.status === "paused") throw conflict(`Container ${id} is already paused`);
  await context.groups.of(record).freeze();
  notify(context, context.table.setState(id, paused(state)), "pause");
}

/** Let them go on. Throws internal, as Docker does, when the container is not paused. */
export async function unpauseContainer(context: ContainerContext, reference: string): Promise<void> {
  const { id } = context.table.find(reference);
  using _lock = await context.locks.acquire(id);
  const record = context.table.find(id);
  const { state } = record;
  if (state.status !== "paused") throw internal(`Container ${id} is not paused`);
  context.groups.of(record).thaw();
  notify(context, context.table.setState(id, unpaused(state)), "unpause");
}
