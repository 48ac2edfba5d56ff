import { spawn } from "node:child_process";
import { Socket } from "node:net";
import { internal } from "../../errors/index.ts";
import { ControlConnection } from "./connection.ts";

/** After so long without a launch the machine has time for the next shim. */
const REFILL_MS = 20;

/**
 * One shim that has been executed and waits for its task (native/standby.h). Starting a shim takes longer than what it
 * then does for a process; a launch that finds one waiting does not wait for that. Of several at once the first finds it.
 */
export class Standby implements Disposable {
  readonly #shimPath: string;
  readonly #placeholder: string;
  #waiting: Socket | undefined;
  #refill: ReturnType<typeof setTimeout> | undefined;
  #isDisposed = false;

  /** `placeholder` is a path of the length that all task folders have. */
  constructor(shimPath: string, placeholder: string) {
    this.#shimPath = shimPath;
    this.#placeholder = placeholder;
  }

  /** Let the waiting shim launch what the plan in `folder` says; undefined when none waits. */
  take(folder: string, onHooks?: (pid: number) => Promise<void>): ControlConnection | undefined {
    const socket = this.#waiting;
    this.#waiting = undefined;
    this.refillSoon();
    if (socket === undefined) return undefined;
    const connection = new ControlConnection(socket, onHooks);
    connection.assign(folder);
    return connection;
  }

  /** Have a shim waiting once no launch has come for a moment. */
  refillSoon(): void {
    clearTimeout(this.#refill);
    if (this.#isDisposed) return;
    this.#refill = setTimeout(() => {
      this.#waiting ??= this.#spawn();
    }, REFILL_MS);
    this.#refill.unref();
  }

  #spawn(): Socket {
    const shim = spawn(this.#shimPath, ["standby", this.#placeholder], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
      detached: true,
      env: {},
    });
    const socket = shim.stdio[3];
    if (!(socket instanceof Socket)) throw internal("the runtime gave no socket to talk to the shim");
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#waiting === socket) this.#waiting = undefined;
    });
    shim.on("error", (cause) => socket.destroy(cause));
    shim.unref();
    socket.unref();
    return socket;
  }

  /** The waiting shim ends with its connection. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#refill);
    this.#waiting?.destroy();
    this.#waiting = undefined;
  }
}
