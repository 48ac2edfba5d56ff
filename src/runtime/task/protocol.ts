/** Frames of a shim's socket; native/protocol.h tells what they mean. */
export const FRAME_HEAD_BYTES = 8;
export const PROTOCOL_VERSION = 1;

export const FRAME = {
  HELLO: 0x10,
  START: 0x11,
  SIGNAL: 0x12,
  RESIZE: 0x13,
  SUBSCRIBE: 0x14,
  FORGET: 0x15,
  CONTINUE: 0x16,
  TASK: 0x17,
  STATE: 0x20,
  FAILED: 0x21,
  WARNING: 0x22,
  STARTED: 0x23,
  ENDED: 0x24,
  DONE: 0x25,
  SUBSCRIBED: 0x26,
  HOOKS: 0x27,
  OOM: 0x28,
} as const;

export const PHASE = { CREATED: 0, RUNNING: 1, ENDED: 2 } as const;

export const MASK = { STDOUT: 1, STDERR: 2, STDIN: 4 } as const;

export interface Frame {
  readonly kind: number;
  readonly body: Buffer;
}

export function encodeFrame(kind: number, body: Uint8Array = new Uint8Array()): Buffer {
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + body.byteLength);
  frame[0] = kind;
  frame.writeUInt32BE(body.byteLength, 4);
  frame.set(body, FRAME_HEAD_BYTES);
  return frame;
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  private rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole now. */
  push(chunk: Buffer): Frame[] {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const frames: Frame[] = [];
    while (bytes.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + bytes.readUInt32BE(4);
      if (bytes.length < end) break;
      frames.push({ kind: bytes[0] ?? 0, body: bytes.subarray(FRAME_HEAD_BYTES, end) });
      bytes = bytes.subarray(end);
    }
    this.rest = bytes;
    return frames;
  }
}
