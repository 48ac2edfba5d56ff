import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { conflict } from "../../errors/index.ts";
import type { TaskStreams } from "../task.ts";
import { encodeFrame, FRAME, FRAME_HEAD_BYTES, MASK } from "./protocol.ts";

/** A connection of its own to a task's stdio: the socket itself carries output and input from then on. */
export async function attachToShim(
  path: string,
  which: { stdin: boolean; stdout: boolean; stderr: boolean },
): Promise<TaskStreams> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    await once(socket, "connect");
  } catch (cause) {
    throw conflict("the process has already ended", { cause });
  }
  const mask =
    (which.stdout ? MASK.STDOUT : 0) | (which.stderr ? MASK.STDERR : 0) | (which.stdin ? MASK.STDIN : 0);
  socket.write(encodeFrame(FRAME.SUBSCRIBE, Buffer.from([mask])));
  await subscribed(socket);
  return {
    output: socket,
    ...(which.stdin ? { input: socket } : {}),
    close,
    [Symbol.asyncDispose]: close,
  };
  async function close(): Promise<void> {
    socket.destroy();
  }
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
