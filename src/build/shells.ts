import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { AttachedStreams } from "../container/index.ts";
import { conflict, notFound } from "../errors/index.ts";

/** A client's side of a shell, once it has come. */
interface ShellClient {
  readonly terminal: {
    readonly rows: number;
    readonly columns: number;
    readonly input: PassThrough;
    readonly sizes: AsyncIterable<readonly [rows: number, columns: number]>;
  };
  /** Aborted when the client goes away. */
  readonly gone: AbortSignal;
  write(bytes: Buffer): void;
}

/** A shell that waits for its client; with the disposal the client's streams end. */
interface ShellSession extends AsyncDisposable {
  /** Rejects when the build ends before. */
  client(signal: AbortSignal): Promise<ShellClient>;
}

interface Open {
  readonly input: PassThrough;
  readonly output: PassThrough;
  readonly sizes: PassThrough;
  readonly gone: AbortController;
  readonly come: PromiseWithResolvers<readonly [rows: number, columns: number]>;
  taken: boolean;
}

/** The shells that failed steps offer, by their ids. */
export class Shells {
  readonly #open = new Map<string, Open>();

  open(id: string): ShellSession {
    const shell: Open = {
      input: new PassThrough(),
      output: new PassThrough(),
      sizes: new PassThrough({ objectMode: true }),
      gone: new AbortController(),
      come: Promise.withResolvers(),
      taken: false,
    };
    this.#open.set(id, shell);
    return {
      async client(signal) {
        const leave = () => shell.come.reject(signal.reason);
        signal.addEventListener("abort", leave, { once: true });
        try {
          signal.throwIfAborted();
          const [rows, columns] = await shell.come.promise;
          const { input, sizes } = shell;
          return {
            terminal: { rows, columns, input, sizes },
            gone: shell.gone.signal,
            write: (bytes) => void shell.output.write(Buffer.from(bytes)),
          };
        } finally {
          signal.removeEventListener("abort", leave);
        }
      },
      [Symbol.asyncDispose]: async () => {
        this.#open.delete(id);
        shell.sizes.end();
        shell.output.end();
        // The last words go out before the build says how it ended.
        if (shell.taken && !shell.gone.signal.aborted)
          await once(shell.output, "close", { signal: shell.gone.signal }).catch(() => undefined);
      },
    };
  }

  /** The client's streams. Throws not-found, or conflict for a shell that another has. */
  attach(id: string, size: readonly [rows: number, columns: number]): AttachedStreams {
    const shell = this.#find(id);
    if (shell.taken) throw conflict(`the shell ${id} is in use`);
    shell.taken = true;
    shell.come.resolve(size);
    return {
      tty: true,
      input: shell.input,
      output: shell.output,
      close: async () => {
        shell.gone.abort();
        shell.output.destroy();
      },
    };
  }

  resize(id: string, size: readonly [rows: number, columns: number]): void {
    this.#find(id).sizes.write(size);
  }

  #find(id: string): Open {
    const shell = this.#open.get(id);
    if (shell === undefined) throw notFound(`no such shell: ${id}`);
    return shell;
  }
}
