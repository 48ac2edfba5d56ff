import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { SentContext } from "./context.ts";

/** The same context with its archive compressed (`--compress`); what is sent without one stays as it is. */
export function compressed(context: SentContext): SentContext {
  const gzip = (body: AsyncIterable<Uint8Array> | undefined) =>
    body === undefined ? undefined : Readable.from(body).pipe(createGzip());
  return {
    ...context,
    body: async (client, session) => gzip(await context.body(client, session)),
    archive: async () => gzip(await context.archive()),
  };
}
