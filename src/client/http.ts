import type { ByteChannel } from "../platform/channel/index.ts";

/**
 * HTTP/1.1 (RFC 9112) as a client of the Engine API speaks it: one request per connection, bodies with a length or in
 * chunks, and connections that are handed over after an upgrade.
 */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent in chunks. */
  readonly body?: string | AsyncIterable<Uint8Array>;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** To be read once, or not at all after a switch of protocols. */
  readonly body: AsyncIterable<Uint8Array>;
}

const MAX_HEAD = 64 * 1024;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Send a request and read the head of its answer. Rejects when the connection breaks or the answer is not HTTP. */
export async function exchange(channel: ByteChannel, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, headers = {}, body } = request;
  const fields = [`Host: gantry`, `User-Agent: gantry-client`];
  for (const [name, value] of Object.entries(headers)) fields.push(`${name}: ${value}`);
  const head = (more: string) => `${method} ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n${more}\r\n`;
  if (typeof body === "object") {
    await channel.write(head("Transfer-Encoding: chunked\r\n"));
    const { promise: broken, reject } = Promise.withResolvers<never>();
    broken.catch(() => undefined);
    // A server that refuses the body answers early; its words are worth more than the failed write.
    sendChunks(channel, body, reject).catch(() => undefined);
    return Promise.race([readHead(channel, method), broken]);
  }
  const bytes = encoder.encode(body ?? "");
  const needsLength = bytes.length > 0 || method === "POST" || method === "PUT";
  await channel.write(`${head(needsLength ? `Content-Length: ${bytes.length}\r\n` : "")}${body ?? ""}`);
  return readHead(channel, method);
}

/** `fail` is told when the body itself breaks off: the request can then not be completed. */
async function sendChunks(
  channel: ByteChannel,
  body: AsyncIterable<Uint8Array>,
  fail: (error: unknown) => void,
): Promise<void> {
  const chunks = body[Symbol.asyncIterator]();
  const next = () =>
    chunks.next().catch((error: unknown) => {
      fail(error);
      throw error;
    });
  for (let item = await next(); item.done !== true; item = await next()) {
    const chunk = item.value;
    if (chunk.length === 0) continue;
    await channel.write(`${chunk.length.toString(16)}\r\n`);
    await channel.write(chunk);
    await channel.write("\r\n");
  }
  await channel.write("0\r\n\r\n");
}

async function readHead(channel: ByteChannel, method: string): Promise<HttpResponse> {
  const input = new Input(channel);
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(await input.line()) ?? [];
  if (status === undefined) throw new Error("the answer is not HTTP");
  const headers = new Map<string, string>();
  for (let line = await input.line(); line !== ""; line = await input.line()) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  input.release();
  return {
    status: Number(status),
    headers,
    body: method === "HEAD" ? noBytes() : bodyOf(channel, Number(status), headers),
  };
}

function bodyOf(
  channel: ByteChannel,
  status: number,
  headers: ReadonlyMap<string, string>,
): AsyncIterable<Uint8Array> {
  if (status === 101) return untilEnd(channel);
  if (status === 204 || status === 304) return noBytes();
  if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") return chunks(channel);
  const length = headers.get("content-length");
  return length === undefined ? untilEnd(channel) : counted(channel, Number(length));
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

async function* untilEnd(channel: ByteChannel): AsyncGenerator<Uint8Array> {
  for (let bytes = await channel.read(); bytes !== undefined; bytes = await channel.read()) yield bytes;
}

async function* counted(channel: ByteChannel, length: number): AsyncGenerator<Uint8Array> {
  for (let left = length; left > 0; ) {
    const bytes = await channel.read();
    if (bytes === undefined) throw new Error("the answer was cut short");
    const part = bytes.subarray(0, left);
    channel.unread(bytes.subarray(part.length));
    left -= part.length;
    yield part;
  }
}

async function* chunks(channel: ByteChannel): AsyncGenerator<Uint8Array> {
  for (;;) {
    const input = new Input(channel);
    const size = Number.parseInt(await input.line(), 16);
    if (!Number.isInteger(size) || size < 0) throw new Error("malformed chunk in the answer");
    if (size === 0) {
      while ((await input.line()) !== "");
      input.release();
      return;
    }
    input.release();
    yield* counted(channel, size);
    const end = new Input(channel);
    await end.line();
    end.release();
  }
}

/** Lines of a head; what follows them goes back to the channel with `release`. */
class Input {
  #rest: Uint8Array = new Uint8Array(0);
  #taken = 0;
  readonly #channel: ByteChannel;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        const line = decoder.decode(this.#rest.subarray(0, end));
        this.#rest = this.#rest.subarray(end + 1);
        this.#taken += end + 1;
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      if (this.#taken + this.#rest.length > MAX_HEAD) throw new Error("the head of the answer is too long");
      const more = await this.#channel.read();
      if (more === undefined) throw new Error("the server closed the connection before it answered");
      const joined = new Uint8Array(this.#rest.length + more.length);
      joined.set(this.#rest);
      joined.set(more, this.#rest.length);
      this.#rest = joined;
    }
  }

  release(): void {
    this.#channel.unread(this.#rest);
    this.#rest = new Uint8Array(0);
  }
}
