import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../../errors/index.ts";
import { copyIntoTree, type FileEntry, listTree } from "../../../snapshot/index.ts";
import type { BuildContext } from "../../dependencies.ts";
import { parseApkInstalled } from "./alpine.ts";
import { parseDpkgStatus } from "./debian.ts";
import { parsePackageJson } from "./npm.ts";
import { type Distribution, type Package, parseOsRelease } from "./package.ts";
import { parseDistInfo } from "./python.ts";
import { parseRpmBdb, parseRpmNdb, parseRpmSqlite } from "./rpm/rpm.ts";

/** What is installed in an image, and what could not be read of it. */
export interface Inventory {
  /** In the order of their package URLs. */
  readonly packages: readonly Package[];
  /** Package databases that are there and that nothing here can read. */
  readonly unread: readonly string[];
}

/** Throws invalid for a database that does not hold together. */
type Parser = (file: Buffer, path: string, distribution: Distribution) => Package[];

const text =
  (parse: (text: string, path: string, distribution: Distribution) => Package[]): Parser =>
  (file, path, distribution) =>
    parse(file.toString("utf8"), path, distribution);

const SOURCES: readonly { readonly path: RegExp; readonly parse: Parser; readonly maxBytes?: number }[] = [
  { path: /^var\/lib\/dpkg\/(status|status\.d\/[^/]+)$/, parse: text(parseDpkgStatus) },
  { path: /^(usr\/)?lib\/apk\/db\/installed$/, parse: text(parseApkInstalled) },
  { path: /(^|\/)node_modules\/(@[^/]+\/)?[^/@]+\/package\.json$/, parse: text(parsePackageJson) },
  { path: /\.dist-info\/METADATA$/, parse: text(parseDistInfo) },
  { path: /^(usr\/lib\/sysimage|var\/lib)\/rpm\/rpmdb\.sqlite$/, parse: parseRpmSqlite },
  { path: /^(usr\/lib\/sysimage|var\/lib)\/rpm\/Packages\.db$/, parse: parseRpmNdb },
  { path: /^(usr\/lib\/sysimage|var\/lib)\/rpm\/Packages$/, parse: parseRpmBdb, maxBytes: 256 << 20 },
];
const OS_RELEASE = /^(usr\/lib|etc)\/os-release$/;
/** A database of a whole distribution has some megabytes (of Berkeley DB at most a few hundred); what is larger is not read. */
const MAX_FILE_BYTES = 64 << 20;

/** Look through a tree (folders of its layers, topmost first) for package databases. */
export async function scanPackages(
  context: BuildContext,
  lower: readonly string[],
  signal: AbortSignal,
): Promise<Inventory> {
  const [tree] = await listTree(context.shim, { lower }, [""], signal);
  const entries = tree?.entries.filter(({ type }) => type === "file") ?? [];
  const sourceOf = (path: string) => SOURCES.find((source) => source.path.test(path));
  const databases = entries.filter(({ path }) => sourceOf(path) !== undefined);
  const isRead = ({ path, sizeBytes }: FileEntry) =>
    sizeBytes <= (sourceOf(path)?.maxBytes ?? MAX_FILE_BYTES);
  const wanted = [...entries.filter(({ path }) => OS_RELEASE.test(path)), ...databases].filter(isRead);
  const files = await readAll(context, lower, wanted, signal);
  const release = files.find(({ path }) => OS_RELEASE.test(path));
  const distribution = parseOsRelease(release?.file.toString("utf8") ?? "");
  const found = new Map<string, Package>();
  const unread = databases.filter((entry) => !isRead(entry)).map(({ path }) => path);
  for (const { path, file } of files)
    for (const source of SOURCES.filter((one) => one.path.test(path)))
      try {
        for (const one of source.parse(file, path, distribution)) found.set(`${one.purl} ${path}`, one);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        unread.push(path);
      }
  return { packages: [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one), unread };
}

/** Copied out by the native helper, for no path of an image may be followed from here. */
async function readAll(
  context: BuildContext,
  lower: readonly string[],
  entries: readonly FileEntry[],
  signal: AbortSignal,
): Promise<{ path: string; file: Buffer }[]> {
  if (entries.length === 0) return [];
  const folder = await mkdtemp(join(context.folder, "tmp-"));
  try {
    const entry = { mode: 0o600, uid: 0, gid: 0, mtime: ["0", "0"] as const };
    const changes = entries.flatMap(({ path: source }, at) => [
      { kind: "target" as const, path: `/${at}`, name: "" },
      { kind: "file" as const, source, path: "", entry },
    ]);
    await copyIntoTree(
      context.shim,
      { source: { lower }, tree: { lower: [], upper: folder }, changes },
      signal,
    );
    return await Promise.all(
      entries.map(async ({ path }, at) => ({
        path: Buffer.from(path, "latin1").toString("utf8"),
        file: await readFile(join(folder, String(at))),
      })),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
