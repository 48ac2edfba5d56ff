import { Readable } from "node:stream";
import { type EncodingOptions, LogEncoder } from "./encoder.ts";
import { followLog } from "./follow.ts";
import { readPresent } from "./present.ts";

export interface LogReadOptions extends EncodingOptions {
  /** The file being written; rotated ones lie beside it as FILE.1, FILE.2 and so on (or FILE.1.gz), 1 the newest. */
  readonly file: string;
  /** Go on with what is written later, until `ended`. */
  readonly follow: boolean;
  /** Begin with the last so many entries, counted before any of them is filtered out; -1 = with the first. */
  readonly tail: number;
  /** Resolves when nothing more will be written; what is in the log then is still delivered. */
  readonly ended: Promise<void>;
  /** Ends the stream early, without error. */
  readonly signal: AbortSignal;
}

/**
 * Read a container's json-file log as the bytes that the Engine API sends. A log that does not exist yet reads as empty.
 * Lines that are no entries are left out. With `follow` and `untilNs` the stream ends at that time.
 */
export function openLog(options: LogReadOptions): Readable {
  const stop = new AbortController();
  const encoder = new LogEncoder(options);
  const blocks = (options.follow ? followLog : readPresent)(options, encoder, stop.signal);
  const abort = () => stop.abort();
  options.signal.addEventListener("abort", abort, { once: true });
  if (options.signal.aborted) abort();
  return new Readable({
    read() {
      blocks.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    },
    destroy(error, callback) {
      options.signal.removeEventListener("abort", abort);
      // The generator may be waiting for the log to grow; it must wake up before it can be closed.
      stop.abort();
      blocks.return().then(
        () => callback(error),
        (failure: unknown) => callback(failure instanceof Error ? failure : error),
      );
    },
  });
}
