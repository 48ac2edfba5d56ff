import { unsupported } from "../errors/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { openLog } from "./logs/index.ts";
import type { LogOptions, OutputStream } from "./service.ts";
import { filesOf } from "./start.ts";

/** Read a container's log; with `follow` until its present run has ended. */
export async function openContainerLog(
  context: ContainerContext,
  reference: string,
  options: LogOptions,
  signal: AbortSignal,
): Promise<OutputStream> {
  const record = context.table.find(reference);
  const { config, hostConfig } = record.definition;
  if (hostConfig.LogConfig.Type === "none")
    throw unsupported("configured logging driver does not support reading");
  const task = context.live.peek(record.id)?.task;
  const output = openLog({
    file: filesOf(context, record.id).log,
    follow: options.follow && task !== undefined,
    stdout: options.stdout,
    stderr: options.stderr,
    sinceNs: options.sinceNs,
    untilNs: options.untilNs,
    timestamps: options.timestamps,
    details: options.details,
    tail: options.tail,
    tty: config.Tty,
    ended: task === undefined ? Promise.resolve() : task.ended.then(() => undefined),
    signal,
  });
  return { tty: config.Tty, output };
}
