import type { Task } from "../../runtime/index.ts";
import { parseSignal } from "../../units/index.ts";
import { proxySignals } from "../terminal/signals.ts";

/**
 * Start a task whose shim stays and wait for its end, passing signals on. With a terminal this process's own is made
 * raw and joined to it; without, the task has this process's stdio itself. Gives the exit code.
 */
export async function runForeground(task: Task, afterStart: () => Promise<void>): Promise<number> {
  const stopProxying = proxySignals((signal) => task.signal(parseSignal(signal)));
  await using _terminal = task.terminal ? await joinTerminal(task) : undefined;
  try {
    await task.start();
    await afterStart();
    return (await task.ended).exitCode;
  } finally {
    stopProxying();
    await task.remove();
  }
}

async function joinTerminal(task: Task): Promise<AsyncDisposable> {
  const { stdin, stdout } = process;
  const streams = await task.attach({ stdin: true, stdout: true, stderr: true });
  const fit = () => {
    if (stdout.isTTY) task.resize(stdout.rows, stdout.columns).catch(() => {});
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  fit();
  stdout.on("resize", fit);
  const shown = streams.output.pipe(stdout, { end: false });
  if (streams.input !== undefined) stdin.pipe(streams.input);
  return {
    async [Symbol.asyncDispose]() {
      stdout.off("resize", fit);
      streams.output.unpipe(shown);
      if (streams.input !== undefined) stdin.unpipe(streams.input);
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
      await streams.close();
    },
  };
}
