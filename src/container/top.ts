import { conflict } from "../errors/index.ts";
import { listProcesses, processesInNamespaceOf } from "../runtime/ps/index.ts";
import type { TopReply } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { isRunning } from "./state.ts";

/**
 * The processes of a container as ps(1) of the host shows them; `psArgs` are options of it, "-ef" when empty. Throws
 * conflict when the container does not run, invalid for options that leave out the PID.
 */
export async function topContainer(
  context: ContainerContext,
  reference: string,
  psArgs: string,
): Promise<TopReply> {
  const record = context.table.find(reference);
  if (record.state.status === "restarting")
    throw conflict(`Container ${record.id} is restarting, wait until the container is running`);
  if (!isRunning(record.state)) throw conflict(`container ${record.id} is not running`);
  const pids = context.groups.exist
    ? context.groups.of(record).processes()
    : processesInNamespaceOf(record.state.pid);
  const { titles, rows } = await listProcesses(pids, psArgs);
  return { Titles: titles, Processes: rows };
}
