import { readFrames } from "../../client/index.ts";
import type { ByteChannel } from "../../platform/channel/index.ts";
import { KeySequence } from "../../units/index.ts";
import { writeOut } from "../output/print.ts";

export interface SessionOptions {
  /** The container's side is a terminal: bytes are raw, and ours is put into raw mode. */
  readonly tty: boolean;
  /** Pass our stdin on. */
  readonly stdin: boolean;
  readonly detachKeys: string | undefined;
  /** Tell the other side the size of our terminal. */
  readonly resize: (rows: number, columns: number) => Promise<unknown>;
}

/**
 * Connect our stdio with a container's until its output ends or the user detaches. The terminal is given back as it
 * was in either case.
 */
export async function runSession(
  channel: ByteChannel,
  options: SessionOptions,
): Promise<"ended" | "detached"> {
  const { promise: detached, resolve: detach } = Promise.withResolvers<"detached">();
  const raw = options.tty && options.stdin && process.stdin.isTTY === true;
  if (raw) process.stdin.setRawMode(true);
  const stopResizing = options.tty ? followSize(options.resize) : () => {};
  try {
    if (options.stdin) {
      // What the container does not read any more is nobody's loss.
      forwardInput(channel, raw ? new KeySequence(options.detachKeys) : undefined, () =>
        detach("detached"),
      ).catch(() => undefined);
    }
    return await Promise.race([forwardOutput(channel, options.tty), detached]);
  } finally {
    stopResizing();
    if (raw) process.stdin.setRawMode(false);
    if (options.stdin) process.stdin.pause();
    channel.close();
  }
}

async function forwardOutput(channel: ByteChannel, tty: boolean): Promise<"ended"> {
  if (tty) {
    for (let bytes = await channel.read(); bytes !== undefined; bytes = await channel.read())
      await writeOut(1, bytes);
    return "ended";
  }
  for await (const { stream, bytes } of readFrames(chunksOf(channel)))
    await writeOut(stream === 2 ? 2 : 1, bytes);
  return "ended";
}

async function* chunksOf(channel: ByteChannel): AsyncGenerator<Uint8Array> {
  for (let bytes = await channel.read(); bytes !== undefined; bytes = await channel.read()) yield bytes;
}

async function forwardInput(
  channel: ByteChannel,
  keys: KeySequence | undefined,
  detach: () => void,
): Promise<void> {
  for await (const chunk of process.stdin) {
    const bytes: Uint8Array = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    if (keys === undefined) {
      await channel.write(bytes);
      continue;
    }
    const { passed, complete } = keys.feed(bytes);
    if (passed.length > 0) await channel.write(passed);
    if (complete) {
      detach();
      return;
    }
  }
  const rest = keys?.rest();
  if (rest !== undefined && rest.length > 0) await channel.write(rest);
  channel.end();
}

/** Send our terminal's size now and whenever it changes. Gives what ends that. */
function followSize(resize: SessionOptions["resize"]): () => void {
  const send = () => {
    const [columns, rows] = process.stdout.isTTY ? process.stdout.getWindowSize() : [0, 0];
    // The container may have ended meanwhile.
    if (rows > 0) resize(rows, columns).catch(() => undefined);
  };
  send();
  process.on("SIGWINCH", send);
  return () => process.off("SIGWINCH", send);
}
