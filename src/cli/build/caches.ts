import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import {
  asArray,
  asObject,
  asString,
  parseJson,
  readTarEntries,
  type TarMember,
  writeTar,
} from "../../archive/index.ts";
import { ConnectError, type EngineClient } from "../../client/index.ts";
import { messageOf } from "../../errors/index.ts";
import { ExitError } from "../command/usage-error.ts";
import { printError } from "../output/print.ts";

/** A cache as the build API takes it (BuildKit's CacheOptionsEntry). */
interface CacheEntry {
  readonly Type: string;
  readonly Attrs: Readonly<Record<string, string>>;
}

/** `--cache-from` and `--cache-to`, and the folders of this machine among them. */
export interface Caches {
  readonly from: readonly CacheEntry[];
  readonly to: readonly CacheEntry[];
  readonly sourceFolders: readonly LocalCache[];
  readonly targetFolders: readonly LocalCache[];
}

interface LocalCache {
  readonly name: string;
  readonly folder: string;
  /** Within the layout. */
  readonly tag: string;
  readonly digest: string;
}

/** "type=T,key=value…", or a reference alone. Throws ExitError for a folder that is not told. */
export function parseCaches(from: readonly string[], to: readonly string[]): Caches {
  const sources = from.map((flag) => parseCache(flag, "src"));
  const targets = to.map((flag) => parseCache(flag, "dest"));
  const folders = (all: readonly ParsedCache[]) =>
    all.flatMap(({ local }) => (local === undefined ? [] : [local]));
  return {
    from: sources.map(({ entry }) => entry),
    to: targets.map(({ entry }) => entry),
    sourceFolders: folders(sources),
    targetFolders: folders(targets),
  };
}

interface ParsedCache {
  readonly entry: CacheEntry;
  readonly local: LocalCache | undefined;
}

function parseCache(flag: string, folderKey: string): ParsedCache {
  if (!flag.includes("=")) return { entry: { Type: "registry", Attrs: { ref: flag } }, local: undefined };
  const fields = new Map(
    flag.split(",").map((field): [string, string] => {
      const equals = field.indexOf("=");
      return equals < 0 ? [field, ""] : [field.slice(0, equals), field.slice(equals + 1)];
    }),
  );
  const { type: Type = "", ...Attrs } = Object.fromEntries(fields);
  if (Type !== "local") return { entry: { Type, Attrs }, local: undefined };
  const { [folderKey]: place = "", tag = "latest", digest = "", ...rest } = Attrs;
  if (place === "") throw new ExitError(1, `the cache ${flag} needs ${folderKey}=`);
  const folder = resolve(place);
  return { entry: { Type, Attrs: { ...rest, name: folder } }, local: { name: folder, folder, tag, digest } };
}

/** Send the layouts of this machine for the build of a session. One that is not there is told of, and done without. */
export async function sendCaches(
  client: EngineClient,
  session: string,
  folders: readonly LocalCache[],
): Promise<void> {
  for (const cache of folders) {
    try {
      const tar = Readable.from(writeTar(layoutMembers(cache)), { objectMode: false });
      await using _ = await client.call("POST", "/build/cache/layout", { session, name: cache.name }, tar);
    } catch (error) {
      if (error instanceof ConnectError) throw error;
      printError(`WARNING: local cache import at ${cache.folder} is not used: ${messageOf(error)}`);
    }
  }
}

/** The parts of a layout that one of its manifests names. Throws for a layout that lacks any. */
function layoutMembers({ folder, tag, digest }: LocalCache): TarMember[] {
  const index = asObject(parseJson(readFileSync(join(folder, "index.json")), "index.json"), "index.json");
  const entries = asArray(index.manifests, "index.json").map((entry) => asObject(entry, "index.json"));
  const entry = entries.find((one) => (digest === "" ? tagOf(one) === tag : one.digest === digest));
  if (entry === undefined) throw new Error(`no cache ${digest === "" ? tag : digest} in its index.json`);
  const top = asString(entry.digest, "index.json");
  const manifest = asObject(
    parseJson(readFileSync(blobFile(folder, top)), "cache manifest"),
    "cache manifest",
  );
  const named = [manifest.config, ...asArray(manifest.layers, "cache manifest")].map((one) =>
    asString(asObject(one, "cache manifest").digest, "cache manifest"),
  );
  const blobs = [...new Set([top, ...named])].map((name): TarMember => {
    const file = blobFile(folder, name);
    return {
      type: "file",
      path: `blobs/sha256/${name.slice("sha256:".length)}`,
      sizeBytes: statSync(file).size,
      open: () => createReadStream(file, { highWaterMark: 1 << 18 }),
    };
  });
  const text = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  const own: TarMember = {
    type: "file",
    path: "index.json",
    sizeBytes: text.length,
    async *open() {
      yield text;
    },
  };
  return [...blobs, own];
}

const REF_NAME = "org.opencontainers.image.ref.name";

function tagOf({ annotations }: Readonly<Record<string, unknown>>): string {
  const name = asObject(annotations ?? {}, "index.json")[REF_NAME];
  return typeof name === "string" ? name : "latest";
}

function blobFile(folder: string, digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`invalid digest ${digest.slice(0, 100)}`);
  return join(folder, "blobs", "sha256", digest.slice("sha256:".length));
}

/** Fetch the caches that a build left, each into its folder: an OCI layout in which other tags stay. */
export async function fetchCaches(
  client: EngineClient,
  session: string,
  folders: readonly LocalCache[],
): Promise<void> {
  for (const { name, folder, tag } of folders) {
    mkdirSync(join(folder, "blobs", "sha256"), { recursive: true });
    const tar = Readable.from(client.bytes("GET", "/build/cache/layout", { session, name }), {
      objectMode: false,
    });
    for await (const entry of readTarEntries(tar)) {
      if (entry.path === "index.json") {
        const bytes = Buffer.concat(await Array.fromAsync(entry.chunks()));
        writeIndex(folder, tag, bytes);
      } else if (/^blobs\/sha256\/[0-9a-f]{64}$/.test(entry.path)) {
        await writeBlob(join(folder, entry.path), entry.chunks());
      }
    }
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  }
}

async function writeBlob(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  if (existsSync(file)) return;
  const temporary = `${file}.${process.pid}.part`;
  try {
    await using written = await open(temporary, "w");
    for await (const chunk of chunks) await written.writeFile(chunk);
    renameSync(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

function writeIndex(folder: string, tag: string, bytes: Buffer): void {
  const place = join(folder, "index.json");
  const read = (text: Uint8Array) =>
    asArray(asObject(parseJson(text, "index.json"), "index.json").manifests, "index.json").map((entry) =>
      asObject(entry, "index.json"),
    );
  const before = existsSync(place) ? read(readFileSync(place)).filter((entry) => tagOf(entry) !== tag) : [];
  const own = read(bytes).map((entry) => ({ ...entry, annotations: { [REF_NAME]: tag } }));
  const mediaType = "application/vnd.oci.image.index.v1+json";
  writeFileSync(
    `${place}.part`,
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: [...before, ...own] }),
  );
  renameSync(`${place}.part`, place);
}
