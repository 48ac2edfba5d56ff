import type { Readable } from "node:stream";
import { formatTimestamp } from "../../units/index.ts";
import { type LogReadOptions, openLog } from "./index.ts";

/** An entry as tests write and expect it. */
export interface TestEntry {
  readonly stream: "stdout" | "stderr";
  readonly log: string;
  readonly ns: bigint;
  readonly attrs?: Record<string, string>;
}

/** The line that the engine's log writer makes of an entry. */
export function lineOf({ log, stream, attrs, ns }: TestEntry): string {
  return `${JSON.stringify({ log, stream, ...(attrs === undefined ? {} : { attrs }), time: formatTimestamp(ns) })}\n`;
}

export function openTestLog(file: string, options: Partial<LogReadOptions> = {}): Readable {
  return openLog({
    file,
    follow: false,
    stdout: true,
    stderr: true,
    sinceNs: 0n,
    untilNs: 0n,
    timestamps: false,
    details: false,
    tail: -1,
    tty: false,
    ended: Promise.resolve(),
    signal: new AbortController().signal,
    ...options,
  });
}

/** All frames of a stream as [stream, text]; throws when the bytes are not whole frames. */
export async function framesOf(output: Readable): Promise<[stream: string, text: string][]> {
  const chunks: Buffer[] = [];
  for await (const chunk of output) chunks.push(chunk);
  return decodeFrames(Buffer.concat(chunks));
}

export function decodeFrames(bytes: Buffer): [stream: string, text: string][] {
  const frames: [string, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    if (end > bytes.length || bytes.readUIntBE(at + 1, 3) !== 0) throw new Error(`torn frame at ${at}`);
    frames.push([bytes[at] === 1 ? "stdout" : "stderr", bytes.toString("utf8", at + 8, end)]);
    at = end;
  }
  return frames;
}

/** Neighbours of the same stream in one piece: what readers see, however it was cut into frames. */
export function joined(frames: readonly [stream: string, text: string][]): [stream: string, text: string][] {
  const runs: [string, string][] = [];
  for (const [stream, text] of frames) {
    const last = runs.at(-1);
    if (last?.[0] === stream) last[1] += text;
    else runs.push([stream, text]);
  }
  return runs;
}
