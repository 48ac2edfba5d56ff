import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { open } from "node:fs/promises";
import { type TarMember, writeTar } from "../../archive/index.ts";
import type { EngineClient } from "../../client/index.ts";
import type { IgnoreRules } from "../../dockerfile/index.ts";
import { walkContext } from "./context-walk.ts";
import { DigestCache } from "./digest-cache.ts";

/** A file that is sent besides those of the folder. */
export interface ExtraFile {
  readonly name: string;
  readonly content: string;
}

const READ_BYTES = 1 << 18;

/**
 * Tell the engine what a folder holds, and give the tar of what it does not have. Owners are not told: all is root's, so
 * that the same files of another person are the same context.
 */
export async function sendContext(
  client: EngineClient,
  session: string,
  folder: string,
  rules: IgnoreRules,
  extra: readonly ExtraFile[],
): Promise<AsyncIterable<Uint8Array>> {
  const members = new Map<string, TarMember>();
  const cache = new DigestCache(folder);
  const list = listContext(folder, rules, extra, cache, members);
  const query = { session, name: folder };
  await using call = await client.call("POST", "/build/context", query, list);
  let text = "";
  for await (const bytes of call.response.body) text += Buffer.from(bytes).toString("utf8");
  cache.save();
  const { Missing: missing } = JSON.parse(text) as { Missing: string[] };
  return writeTar(missing.flatMap((digest) => members.get(digest) ?? []));
}

/** The lines of the list, as the engine reads them; what they name by digest is kept in `members`. */
async function* listContext(
  folder: string,
  rules: IgnoreRules,
  extra: readonly ExtraFile[],
  cache: DigestCache,
  members: Map<string, TarMember>,
): AsyncGenerator<Uint8Array> {
  for (const { name, content } of extra) {
    const bytes = Buffer.from(content);
    const digest = createHash("sha256").update(bytes).digest("hex");
    members.set(digest, {
      type: "file",
      path: digest,
      sizeBytes: bytes.length,
      async *open() {
        yield bytes;
      },
    });
    yield line(["f", name, 0o600, 0, bytes.length, digest]);
  }
  const firstNames = new Map<string, string>();
  for (const { name, place, status } of walkContext(Buffer.from(folder), rules)) {
    const mode = status.mode & 0o7777;
    const mtime = Math.max(0, Math.floor(status.mtimeMs / 1000));
    if (status.isDirectory()) yield line(["d", name, mode, mtime]);
    else if (status.isSymbolicLink())
      yield line(["l", name, mtime, readlinkSync(place, { encoding: "buffer" }).toString("latin1")]);
    else {
      const earlier = status.nlink > 1 ? firstNames.get(`${status.dev} ${status.ino}`) : undefined;
      if (earlier !== undefined) {
        yield line(["h", name, earlier]);
        continue;
      }
      if (status.nlink > 1) firstNames.set(`${status.dev} ${status.ino}`, name);
      const digest = await cache.digestOf(name, place, status);
      const sizeBytes = status.size;
      members.set(digest, { type: "file", path: digest, sizeBytes, open: () => contentOf(place, sizeBytes) });
      yield line(["f", name, mode, mtime, sizeBytes, digest]);
    }
  }
}

/** Names are bytes, and JSON escapes what is none of ASCII's. */
const line = (fields: readonly unknown[]): Buffer =>
  Buffer.from(
    `${JSON.stringify(fields).replaceAll(/[\x7f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`,
  );

/** Exactly so many bytes: one that was cut while it was read is filled up, for its size was told before; the engine sees by its digest that it changed. */
async function* contentOf(place: Buffer, sizeBytes: number): AsyncGenerator<Uint8Array> {
  // By its descriptor: a stream takes no name in bytes.
  await using file = await open(place);
  let sent = 0;
  while (sent < sizeBytes) {
    const length = Math.min(READ_BYTES, sizeBytes - sent);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, sent);
    yield bytesRead === 0 ? Buffer.alloc(length) : buffer.subarray(0, bytesRead);
    sent += bytesRead === 0 ? length : bytesRead;
  }
}
