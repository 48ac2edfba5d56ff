import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { conflict } from "../../errors/index.ts";
import type { TaskStreams } from "../task.ts";
import { encodeFrame, FRAME, FRAME_HEAD_BYTES, MASK } from "./protocol.ts";

/**
 * Connections of its own to a task's stdio, which carry output and input from then on. Two, for the end of one must not take
 * the other along: where input comes for a process that has ended, the kernel tells of a reset, and what is still to be
 * read of the same connection would be lost (unix(7)).
 */
export async function attachToShim(
  path: string,
  which: { stdin: boolean; stdout: boolean; stderr: boolean },
): Promise<TaskStreams> {
  await using undo = new AsyncDisposableStack();
  const subscribe = async (mask: number): Promise<Socket> => {
    const socket = connect({ path, allowHalfOpen: true });
    undo.defer(() => void socket.destroy());
    try {
      await once(socket, "connect");
    } catch (cause) {
      throw conflict("the process has already ended", { cause });
    }
    socket.write(encodeFrame(FRAME.SUBSCRIBE, Buffer.from([mask])));
    await subscribed(socket);
    return socket;
  };
  const [output, input] = await Promise.all([
    subscribe((which.stdout ? MASK.STDOUT : 0) | (which.stderr ? MASK.STDERR : 0)),
    which.stdin ? subscribe(MASK.STDIN) : undefined,
  ]);
  // Nothing comes on it but its end.
  input?.resume();
  undo.move();
  const close = async () => {
    output.destroy();
    input?.destroy();
  };
  return { output, ...(input === undefined ? {} : { input }), close, [Symbol.asyncDispose]: close };
}

/** Take the one frame that says so off the stream; what follows is the task's. */
function subscribed(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const read = () => {
    const frame: Buffer | null = socket.read(FRAME_HEAD_BYTES);
    if (frame === null) return;
    settle();
    resolve();
  };
  const lost = () => {
    settle();
    reject(conflict("the process has already ended"));
  };
  const settle = () => {
    socket.off("readable", read);
    socket.off("error", lost);
    socket.off("close", lost);
    // Whoever reads next decides how.
    socket.on("error", () => {});
  };
  socket.on("readable", read);
  socket.on("error", lost);
  socket.on("close", lost);
  return promise;
}
