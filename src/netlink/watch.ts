import { spawn } from "node:child_process";
import { FrameReader } from "./frame-reader.ts";

const HEADER_BYTES = 16;

/** One message that the kernel told everybody. */
export interface KernelNotice {
  readonly type: number;
  /** What follows the netlink header. */
  readonly body: Buffer;
}

/**
 * Hear what the kernel multicasts to groups of a netlink family, in order. Disposing ends it. `lost` is called when
 * notices may have been missed: the socket's buffer ran over, or the helper ended.
 */
export function watchNetlink(
  shimPath: string,
  protocol: number,
  groups: readonly number[],
  hear: (notice: KernelNotice) => void,
  lost: () => void,
): Disposable {
  const helper = spawn(shimPath, ["netlink-watch", String(protocol), ...groups.map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {},
  });
  let ended = false;
  const frames = new FrameReader();
  helper.stdout.on("data", (chunk: Buffer) => {
    for (const datagram of frames.feed(chunk)) {
      if (datagram.length === 0) lost();
      for (const notice of messagesOf(datagram)) hear(notice);
    }
  });
  helper.once("error", () => undefined);
  helper.once("close", () => {
    if (!ended) lost();
  });
  helper.unref();
  return {
    [Symbol.dispose]() {
      ended = true;
      // The helper ends with its standard input.
      helper.stdin.destroy();
    },
  };
}

function* messagesOf(datagram: Buffer): Generator<KernelNotice> {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > datagram.length) return;
    yield { type: datagram.readUInt16LE(at + 4), body: datagram.subarray(at + HEADER_BYTES, at + length) };
    at += (length + 3) & ~3;
  }
}
