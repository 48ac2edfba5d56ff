import { formatTimestampFixed } from "../../units/index.ts";
import { formatAttributes, parseEntry } from "./entry.ts";
import { unescapeInto } from "./unescape.ts";

/** What of a log is wanted and how its bytes are wrapped. */
export interface EncodingOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Nanoseconds since the epoch, both inclusive; 0n = no bound. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  /** Put the time of each entry before it: nine decimals and a space. */
  readonly timestamps: boolean;
  /** Put the entry's attributes before it. */
  readonly details: boolean;
  /** A terminal's output goes out raw, everything else in frames of 8 + n bytes. */
  readonly tty: boolean;
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_N = 0x6e;
const LETTER_O = 0x6f;
const LETTER_Z = 0x5a;
const BRACE = 0x7d;
const HEAD = Buffer.from('{"log":"');
const STREAM = Buffer.from('","stream":"std');
/** What follows the log's text up to the time, for both streams: `","stream":"stdout","time":"`. */
const MIDDLE_BYTES = 28;
const MIDDLE = {
  out: Buffer.from('","stream":"stdout","time":"'),
  err: Buffer.from('","stream":"stderr","time":"'),
};
const HEADER_BYTES = 8;
/**
 * The first entries of a block have a frame each, as Docker sends them. In what comes behind so much of them, entries of
 * one stream in a row share a frame of about FRAME_BYTES: a client pays for frames, not for lines.
 */
const SINGLE_BYTES = 8 << 10;
const FRAME_BYTES = 32 << 10;
/** "2006-01-02T15:04:05Z" and the same with ".000000000". */
const SHORTEST_TIME = 20;
const FIXED_TIME = 30;
/** The last moment with a year of four digits: later bounds exclude nothing. */
const LAST_NS = 253_402_300_799_999_999_999n;

/**
 * Turns lines of a json-file log into bytes of the wire, a block at a time.
 *
 * Lines exactly as the engine writes them are taken apart where they lie, without making strings or objects; any other
 * line takes the general way. What is no entry is left out.
 */
export class LogEncoder {
  readonly #options: EncodingOptions;
  readonly #since: Buffer | undefined;
  readonly #until: Buffer | undefined;
  readonly #time = Buffer.alloc(FIXED_TIME);
  readonly #readsTime: boolean;
  #output = Buffer.alloc(0);
  #at = 0;
  /** The first backslash of the block that is not yet passed. */
  #escape = -1;
  #finished = false;
  /** Where the last frame of the output begins, -1 for none, and of which stream it is. */
  #frame = -1;
  #frameIsOut = true;

  constructor(options: EncodingOptions) {
    this.#options = options;
    this.#since = options.sinceNs > 0n ? boundOf(options.sinceNs) : undefined;
    this.#until = options.untilNs !== 0n ? boundOf(options.untilNs) : undefined;
    this.#readsTime = options.timestamps || this.#since !== undefined || this.#until !== undefined;
  }

  /** An entry after `until` was met: nothing more is wanted. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Encode a block of whole lines (the last may lack its newline). The result is a buffer of its own. */
  encode(block: Buffer): Buffer {
    // An engine's line shrinks: its frame and its printed time are shorter than the JSON around its text.
    this.#output = Buffer.allocUnsafe(block.length + HEADER_BYTES + FIXED_TIME);
    this.#at = 0;
    this.#escape = -1;
    this.#frame = -1;
    let start = 0;
    while (start < block.length && !this.#finished) {
      const found = block.indexOf(NEWLINE, start);
      const end = found === -1 ? block.length : found;
      if (!this.#encodeWritten(block, start, end))
        this.#encodeOther(block.toString("utf8", start, end), block.length - start);
      start = end + 1;
    }
    return this.#output.subarray(0, this.#at);
  }

  /** The line as the engine writes it, from `start` to its newline at `end`. False when it looks different. */
  #encodeWritten(block: Buffer, start: number, end: number): boolean {
    const text = start + HEAD.length;
    if (end - text < MIDDLE_BYTES + SHORTEST_TIME + 2 || !startsWith(block, start, HEAD)) return false;
    const backslash = this.#nextEscape(block, text);
    const plain = backslash < end && block[backslash + 1] === LETTER_N && block[backslash + 2] === QUOTE;
    const close = plain ? backslash + 2 : endOfText(block, text, end);
    if (close === -1 || close + MIDDLE_BYTES > end || !startsWith(block, close, STREAM)) return false;
    const isOut = block[close + STREAM.length] === LETTER_O;
    const time = close + MIDDLE_BYTES;
    const timeBytes = end - 2 - time;
    // The length leaves no room for further keys, so that no text inside attributes can pass for an entry's end.
    if (
      timeBytes < SHORTEST_TIME ||
      timeBytes > FIXED_TIME ||
      block[end - 3] !== LETTER_Z ||
      block[end - 2] !== QUOTE ||
      block[end - 1] !== BRACE ||
      !startsWith(block, close, isOut ? MIDDLE.out : MIDDLE.err)
    ) {
      return false;
    }
    if (this.#readsTime) this.#readTime(block, time, timeBytes);
    if (!this.#isWanted(isOut)) return true;
    const before = this.#at;
    const frame = this.#beginFrame(isOut);
    if (plain) {
      this.#at += block.copy(this.#output, this.#at, text, backslash);
      this.#output[this.#at++] = NEWLINE;
    } else {
      const behind = unescapeInto(this.#output, this.#at, block, text, close);
      if (behind === -1) {
        this.#at = before;
        return true;
      }
      this.#at = behind;
    }
    this.#endFrame(frame, isOut);
    return true;
  }

  /** Remembered, because a block of lines without escapes would otherwise be searched to its end for each of them. */
  #nextEscape(block: Buffer, from: number): number {
    if (this.#escape < from) {
      const found = block.indexOf(BACKSLASH, from);
      this.#escape = found === -1 ? Number.POSITIVE_INFINITY : found;
    }
    return this.#escape;
  }

  /** Any other line. `rest` is the length of the block from this line on, for which room is still needed. */
  #encodeOther(line: string, rest: number): void {
    const entry = parseEntry(line);
    if (entry === undefined) return;
    this.#time.write(entry.time, "latin1");
    const isOut = entry.stream === "stdout";
    if (!this.#isWanted(isOut)) return;
    const details = this.#options.details ? formatAttributes(entry.attrs) : "";
    this.#reserve(Buffer.byteLength(entry.log) + details.length + rest + 2 * (HEADER_BYTES + FIXED_TIME + 2));
    const frame = this.#beginFrame(isOut, details);
    this.#at += this.#output.write(entry.log, this.#at);
    this.#endFrame(frame, isOut);
  }

  /** Decides by the time last read, and notes when `until` is passed. */
  #isWanted(isOut: boolean): boolean {
    if (this.#until !== undefined && this.#time.compare(this.#until) > 0) {
      this.#finished = true;
      return false;
    }
    if (!(isOut ? this.#options.stdout : this.#options.stderr)) return false;
    return this.#since === undefined || this.#time.compare(this.#since) >= 0;
  }

  /** Keep the time with all nine decimals: `…05.12Z` becomes `…05.120000000Z`. */
  #readTime(block: Buffer, at: number, length: number): void {
    const digits = length - 1;
    block.copy(this.#time, 0, at, at + digits);
    if (digits === SHORTEST_TIME - 1) this.#time[digits] = 0x2e;
    this.#time.fill(0x30, Math.max(digits, SHORTEST_TIME), FIXED_TIME - 1);
    this.#time[FIXED_TIME - 1] = LETTER_Z;
  }

  /** Gives where the entry's frame begins: it may be the one of the entries before. */
  #beginFrame(isOut: boolean, details = ""): number {
    const isShared =
      this.#frame >= SINGLE_BYTES && this.#frameIsOut === isOut && this.#at - this.#frame < FRAME_BYTES;
    const frame = isShared ? this.#frame : this.#at;
    if (!this.#options.tty && !isShared) this.#at += HEADER_BYTES;
    if (this.#options.timestamps) {
      this.#at += this.#time.copy(this.#output, this.#at);
      this.#output[this.#at++] = 0x20;
    }
    if (this.#options.details) this.#at += this.#output.write(`${details} `, this.#at, "latin1");
    return frame;
  }

  #endFrame(frame: number, isOut: boolean): void {
    if (this.#options.tty) return;
    this.#frame = frame;
    this.#frameIsOut = isOut;
    const output = this.#output;
    const size = this.#at - frame - HEADER_BYTES;
    output[frame] = isOut ? 1 : 2;
    output[frame + 1] = 0;
    output[frame + 2] = 0;
    output[frame + 3] = 0;
    output[frame + 4] = size >>> 24;
    output[frame + 5] = size >>> 16;
    output[frame + 6] = size >>> 8;
    output[frame + 7] = size;
  }

  #reserve(bytes: number): void {
    if (this.#output.length - this.#at >= bytes) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + bytes));
    this.#output.copy(larger, 0, 0, this.#at);
    this.#output = larger;
  }
}

/** The quote that closes a JSON string whose inside begins at `text`, or -1. */
function endOfText(block: Buffer, text: number, end: number): number {
  for (let at = text; at < end; at++) {
    const byte = block[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

function startsWith(block: Buffer, at: number, bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index++) if (block[at + index] !== bytes[index]) return false;
  return true;
}

function boundOf(ns: bigint): Buffer {
  return Buffer.from(formatTimestampFixed(ns < 0n ? 0n : ns > LAST_NS ? LAST_NS : ns), "latin1");
}
