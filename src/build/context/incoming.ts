import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { Readable } from "node:stream";
import { unpackLayer } from "../../archive/index.ts";
import { type IgnoreRules, ignorePatterns, ignoreRules } from "../../dockerfile/index.ts";
import { EngineError, invalid, notFound } from "../../errors/index.ts";
import { readTreeFiles } from "../../snapshot/index.ts";
import type { BuildContext } from "../dependencies.ts";
import type { ContextSource } from "../service.ts";
import { isArchive } from "../steps/archive-file.ts";
import { byteName, SourceTree } from "../steps/source-tree.ts";
import { sessionOf } from "./named.ts";
import { fetchRemote } from "./remote.ts";
import type { SentContext } from "./sent.ts";

/** The files of a build, in a folder of their own until the build ends. */
export interface IncomingContext extends AsyncDisposable {
  readonly tree: SourceTree;
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Patterns of .dockerignore. */
  readonly ignore: readonly string[];
}

/**
 * Take in a context: unpack or fetch it, read its Dockerfile, and remove what .dockerignore leaves out, so that neither
 * COPY nor a bind mount can see it. Throws invalid for a bad archive, not-found for a missing Dockerfile.
 */
export async function takeContext(
  context: BuildContext,
  source: ContextSource,
  dockerfile: string,
  signal: AbortSignal,
): Promise<IncomingContext> {
  await using undo = new AsyncDisposableStack();
  const sent = source.kind === "sent" ? undo.use(context.sentContexts.take(source.session)) : undefined;
  const root = await rootFor(context, sent, undo);
  const folder = await fill(context, source, root, sent, signal);
  const mount = { lower: [folder === "" ? root : join(root, folder)] };
  const name = posix.normalize(`/${dockerfile || "Dockerfile"}`).slice(1);
  const other = dockerfile === "" || dockerfile === "Dockerfile" ? "dockerfile" : name;
  const read = await readTreeFiles(
    context.shim,
    mount,
    [name, other, `${name}.dockerignore`, ".dockerignore"].map(byteName),
    signal,
  );
  const [first, second, ownIgnore, sharedIgnore] = read;
  const text = first ?? second;
  if (text === undefined)
    throw notFound(`failed to read dockerfile: open ${name}: no such file or directory`);
  const ignored = ownIgnore ?? sharedIgnore;
  const ignore = ignored === undefined ? [] : ignorePatterns(ignored.toString("utf8"));
  if (ignore.length > 0) {
    const rules = ignoreRules(ignore.map(byteName));
    await removeIgnored(context.shim, mount.lower, rules, signal);
  }
  // A step may have it mounted.
  for (const tree of mount.lower) context.storedOwners?.handOverTree(tree);
  const owned = undo.move();
  return {
    tree: new SourceTree(context.shim, mount, sent?.digests),
    ignore,
    dockerfile: { name, text: text.toString("utf8") },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The files of `--build-context NAME=SOURCE`: sent before under a session, or fetched. Throws invalid, not-found. */
export async function takeNamedContext(
  context: BuildContext,
  source: string,
  signal: AbortSignal,
): Promise<Pick<IncomingContext, "tree"> & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const session = sessionOf(source);
  const sent = session === undefined ? undefined : undo.use(context.sentContexts.take(session));
  const root = await rootFor(context, sent, undo);
  const folder = sent === undefined ? await fillFromRemote(context, source, root, signal) : "";
  const files = folder === "" ? root : join(root, folder);
  context.storedOwners?.handOverTree(files);
  const owned = undo.move();
  return {
    tree: new SourceTree(context.shim, { lower: [files] }, sent?.digests),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The folder of a context's files, in a place that goes with `undo`: made now, unless the client has filled it already. */
async function rootFor(
  { folder }: BuildContext,
  sent: SentContext | undefined,
  undo: AsyncDisposableStack,
): Promise<string> {
  const place = sent?.place ?? (await mkdtemp(join(folder, "context-")));
  undo.defer(() => rm(place, { recursive: true, force: true }));
  const root = join(place, "root");
  if (sent === undefined) await mkdir(root);
  return root;
}

/** Resolves with the folder below `root` that the context is. */
async function fill(
  context: BuildContext,
  source: ContextSource,
  root: string,
  sent: SentContext | undefined,
  signal: AbortSignal,
): Promise<string> {
  switch (source.kind) {
    case "sent":
      await sent?.complete(source.stream);
      return "";
    case "dockerfile":
      await writeFile(join(root, "Dockerfile"), source.text);
      return "";
    case "archive":
      await unpack(context, source.stream, root, signal);
      return "";
    case "remote":
      return fillFromRemote(context, source.url, root, signal);
  }
}

async function fillFromRemote(
  context: BuildContext,
  url: string,
  root: string,
  signal: AbortSignal,
): Promise<string> {
  const place = join(root, "..", "fetched");
  await mkdir(place);
  const fetched = await fetchRemote(
    /^(github\.com|gitlab\.com)\//.test(url) ? `https://${url}.git` : url,
    place,
    { network: context.registries, checksum: "", keepGitDir: false },
    signal,
  );
  if (fetched.kind === "folder") {
    // A repository may have a link to anywhere in the place of the folder that was asked for.
    const [folder, within] = await Promise.all([realpath(join(place, fetched.path)), realpath(place)]).catch(
      () => ["", ""],
    );
    if (folder === undefined || folder === "" || (folder !== within && !folder.startsWith(`${within}/`)))
      throw invalid(`${url}: ${fetched.path} is no folder of the repository`);
    return posix.join("../fetched", fetched.path);
  }
  const file = join(place, fetched.path);
  if (await isArchive(Buffer.from(file))) await unpack(context, createReadStream(file), root, signal);
  else await writeFile(join(root, "Dockerfile"), Readable.from(createReadStream(file)));
  return "";
}

async function unpack(
  context: BuildContext,
  stream: Readable,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await unpackLayer({ shim: context.shim, layer: { stream }, folder, lower: [], plain: true }, signal);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "invalid") {
      throw invalid(error.message.replace("failed to unpack layer", "failed to read build context"), {
        cause: error,
      });
    }
    throw error;
  }
}

/** Names come from the tree itself, whose links were not followed, so that joining them leads nowhere else. */
async function removeIgnored(
  shim: string,
  lower: readonly string[],
  rules: IgnoreRules,
  signal: AbortSignal,
): Promise<void> {
  if (rules.isEmpty) return;
  const { entries } = await new SourceTree(shim, { lower }).list("", signal);
  const removed = new Set<string>();
  const kept = new Set(
    entries.filter(({ path }) => !rules.ignores(path)).flatMap(({ path }) => withParents(path)),
  );
  for (const { path } of entries) {
    if (kept.has(path) || withParents(path).some((name) => removed.has(name))) continue;
    removed.add(path);
    await rm(Buffer.from(`${lower[0]}/${path}`, "latin1"), { recursive: true, force: true });
  }
}

function withParents(path: string): string[] {
  const all = [path];
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
    all.push(path.slice(0, end));
  return all;
}
