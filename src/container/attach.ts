import { PassThrough, Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { conflict } from "../errors/index.ts";
import type { Task, TaskStreams } from "../runtime/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { DetachKeys } from "./detach-keys.ts";
import { openContainerLog } from "./logs.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord } from "./record.ts";
import type { AttachedStreams, AttachOptions } from "./service.ts";

/**
 * Attach to a container's stdio. Before a start (`docker run` attaches first) the streams wait for the task and then
 * carry its output from the first byte on.
 */
export async function attachContainer(
  context: ContainerContext,
  reference: string,
  options: AttachOptions,
): Promise<AttachedStreams> {
  const record = context.table.find(reference);
  if (record.state.status === "removing") throw conflict(`container ${record.id} is being removed`);
  if (record.state.status === "paused")
    throw conflict(`container ${reference} is paused, unpause the container before attach`);
  notify(context, record, "attach");
  const { Tty: tty, OpenStdin } = record.definition.config;
  const wanted = { ...options, stdin: options.stdin && OpenStdin };
  if (!options.stream) return replayed(context, record, options, false);

  const task = context.live.peek(record.id)?.task;
  const streams =
    task === undefined ? await waitForTask(context, record, wanted) : await task.attach(outputOf(wanted));
  const attached = withDetachKeys({ tty, ...streams, close: () => streams.close() }, options);
  if (!options.logs) return attached;
  // The log in follow mode is history and present in one stream, without a gap or a repetition between them.
  const replay = await replayed(context, record, options, true);
  attached.output.resume();
  return {
    ...attached,
    output: replay.output,
    close: () => Promise.all([attached.close(), replay.close()]).then(() => {}),
  };
}

const outputOf = ({ stdin, stdout, stderr, logs }: AttachOptions) =>
  logs ? { stdin, stdout: false, stderr: false } : { stdin, stdout, stderr };

async function replayed(
  context: ContainerContext,
  record: ContainerRecord,
  options: AttachOptions,
  follow: boolean,
): Promise<AttachedStreams> {
  const abort = new AbortController();
  const { stdout, stderr } = options;
  const { output, tty } = options.logs
    ? await openContainerLog(
        context,
        record.id,
        { follow, stdout, stderr, sinceNs: 0n, untilNs: 0n, timestamps: false, details: false, tail: -1 },
        abort.signal,
      )
    : { output: Readable.from([]), tty: record.definition.config.Tty };
  return { tty, output, close: async () => abort.abort() };
}

/** Streams whose other end is connected when the container starts. */
async function waitForTask(
  context: ContainerContext,
  record: ContainerRecord,
  options: AttachOptions,
): Promise<{ output: Readable; input?: Writable; close(): Promise<void> }> {
  const live = context.live.of(record.id);
  const output = new PassThrough();
  const input = options.stdin ? new PassThrough() : undefined;
  let streams: TaskStreams | undefined;
  const attachment = {
    async connect(task: Task) {
      streams = await task.attach(outputOf(options));
      // A client that goes away breaks these pipelines; closing the streams is `close`'s part.
      pipeline(streams.output, output).catch(() => streams?.close());
      if (input !== undefined && streams.input !== undefined) {
        pipeline(input, streams.input).catch(() => streams?.input?.destroy());
      }
    },
    abandon: () => output.end(),
  };
  live.attachments.add(attachment);
  return {
    output,
    ...(input === undefined ? {} : { input }),
    async close() {
      live.attachments.delete(attachment);
      output.destroy();
      input?.destroy();
      await streams?.close();
    },
  };
}

/** On a terminal, a typed detach sequence ends the attachment and leaves the container running. */
export function withDetachKeys(attached: AttachedStreams, options: { detachKeys?: string }): AttachedStreams {
  const { input, output } = attached;
  if (input === undefined || !attached.tty) return attached;
  const filter = new DetachKeys(options.detachKeys);
  filter.pipe(input);
  filter.once("detach", () => {
    attached.close().finally(() => output.destroy());
  });
  return { ...attached, input: filter };
}
