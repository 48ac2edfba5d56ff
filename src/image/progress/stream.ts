import type { ProgressMessage } from "../../wire/index.ts";

export type Report = (message: ProgressMessage) => void;

/**
 * What `work` reports, as a stream that ends or fails with it. Leaving the stream early aborts the work and waits
 * until it has cleared up behind itself.
 */
export async function* progressOf(
  work: (report: Report, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<ProgressMessage> {
  const stop = new AbortController();
  const queue: ProgressMessage[] = [];
  let wake = () => {};
  let ended = false;
  const report = (message: ProgressMessage) => {
    queue.push(message);
    wake();
  };
  const working = work(report, AbortSignal.any([signal, stop.signal])).finally(() => {
    ended = true;
    wake();
  });
  working.catch(() => undefined);
  try {
    while (!ended || queue.length > 0) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    await working;
  } finally {
    stop.abort();
    await working.catch(() => undefined);
  }
}
