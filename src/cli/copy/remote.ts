import type { EngineClient } from "../../client/index.ts";
import type { PathStat } from "../../wire/index.ts";
import { segment } from "../commands/each.ts";

const FOLDER = 2 ** 31;
const LINK = 2 ** 27;
const DEVICE = 2 ** 26;

const has = ({ mode }: PathStat, bit: number): boolean => Math.floor(mode / bit) % 2 === 1;
export const isFolder = (stat: PathStat): boolean => has(stat, FOLDER);
export const isLink = (stat: PathStat): boolean => has(stat, LINK);
export const isDevice = (stat: PathStat): boolean => has(stat, DEVICE);

export const archivePath = (container: string): string => `/containers/${segment(container)}/archive`;

/** What is at a path of the container, or undefined for whatever reason that cannot be told. */
export async function statRemote(
  client: EngineClient,
  container: string,
  path: string,
): Promise<PathStat | undefined> {
  try {
    await using call = await client.call("HEAD", archivePath(container), { path });
    return statOf(call.response.headers);
  } catch {
    return undefined;
  }
}

export function statOf(headers: ReadonlyMap<string, string>): PathStat {
  const text = headers.get("x-docker-container-path-stat");
  if (text === undefined) throw new Error("the daemon did not tell what is at the path");
  return JSON.parse(Buffer.from(text, "base64").toString("utf8")) as PathStat;
}

/** Passes bytes on and counts them. */
export function counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncIterable<Uint8Array> & { bytes: number } {
  const counter = {
    bytes: 0,
    async *[Symbol.asyncIterator]() {
      for await (const chunk of source) {
        counter.bytes += chunk.length;
        onBytes(counter.bytes);
        yield chunk;
      }
    },
  };
  return counter;
}
