import { cancelled, EngineError, invalid, notFound, unavailable } from "../errors/index.ts";
import type { Descriptor } from "./manifest.ts";
import { readRefusal, refusalError } from "./refusal.ts";
import { delayBefore, pause, type RetryPolicy } from "./retry.ts";
import type { RegistryResponse } from "./transport.ts";

export interface BlobQuestion {
  readonly descriptor: Descriptor;
  /** Bytes that the reader has already. */
  readonly offset: number;
  readonly retry: RetryPolicy;
  /** Ask for the blob with these further headers. */
  open(headers: Record<string, string>): Promise<RegistryResponse>;
  readonly signal: AbortSignal;
}

/**
 * A blob's bytes from an offset on, over as many connections as it takes: one that breaks is followed by another that
 * asks for the rest (RFC 9110, section 14). It gives up after `retry.attempts` in a row that brought nothing. Throws
 * invalid for more bytes than announced, not-found, unavailable.
 */
export async function* readBlob(question: BlobQuestion): AsyncGenerator<Uint8Array> {
  const { descriptor, retry, signal } = question;
  let at = question.offset;
  for (let failures = 0; at < descriptor.size; ) {
    const before = at;
    try {
      for await (const chunk of await bodyFrom(question, at)) {
        at += chunk.length;
        if (at > descriptor.size) throw oversized(descriptor);
        yield chunk;
      }
      if (at === before) failures++;
    } catch (error) {
      if (signal.aborted)
        throw cancelled(`the download of ${descriptor.digest} was cancelled`, { cause: error });
      failures = at === before ? failures + 1 : 1;
      if (!isBreak(error) || failures >= retry.attempts) throw error;
    }
    if (at === descriptor.size) return;
    if (failures >= retry.attempts) throw truncated(descriptor, at);
    if (at === before || failures > 0) await pause(delayBefore(Math.max(1, failures), retry), signal);
  }
}

/** A connection that broke, rather than an answer or a fault in the bytes. */
const isBreak = (error: unknown): boolean => !(error instanceof EngineError) || error.kind === "unavailable";

const oversized = ({ digest, size }: Descriptor) =>
  invalid(`content of ${digest} goes on after the ${size} bytes that its manifest announces`);

const truncated = ({ digest, size }: Descriptor, at: number) =>
  unavailable(`content of ${digest} ends after ${at} of ${size} bytes: unexpected EOF`);

async function bodyFrom({ descriptor, open }: BlobQuestion, at: number): Promise<AsyncIterable<Uint8Array>> {
  const response = await open(at === 0 ? {} : { range: `bytes=${at}-${descriptor.size - 1}` });
  const { status, body } = response;
  if (status === 206 && at > 0) {
    const start = /^bytes (\d+)-/.exec(response.headers["content-range"] ?? "")?.[1];
    if (Number(start) === at) return body;
    body.destroy();
    throw invalid(`the registry sent another part of ${descriptor.digest} than was asked for`);
  }
  // A registry that knows no ranges begins anew; what is known already is skipped.
  if (status === 200) return at === 0 ? body : skipping(body, at);
  const refusal = await readRefusal(response);
  if (status === 404) throw notFound(`unknown blob: the registry does not have ${descriptor.digest}`);
  throw refusalError(refusal);
}

async function* skipping(body: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of body) {
    const skipped = Math.min(left, chunk.length);
    left -= skipped;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}
