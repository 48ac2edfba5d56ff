import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { invalid } from "../../errors/index.ts";
import { copyIntoTree, type SnapshotMount, type TreeChange } from "../../snapshot/index.ts";
import { fetchRemote } from "../context/remote.ts";
import type { BuildContext } from "../dependencies.ts";
import { isRemote } from "../plan/apply.ts";
import type { CopyVertex } from "../plan/vertex.ts";
import { isArchive } from "./archive-file.ts";
import { parseChmod } from "./chmod.ts";
import { parseOwner } from "./owner.ts";
import { type Placement, placeSource, type Selected, selectSource } from "./select.ts";
import { byteName, SourceTree } from "./source-tree.ts";

/** A COPY or ADD that is worked out: what goes where, and what that depends on. */
export interface PreparedCopy extends AsyncDisposable {
  /** The digest of all that goes in: names, attributes, contents; times are left out. */
  readonly identity: string;
  write(tree: SnapshotMount, signal: AbortSignal): Promise<void>;
}

interface Part {
  readonly tree: SourceTree;
  readonly changes: readonly TreeChange[];
}

/**
 * Work out a COPY: match its sources, fetch what is remote, look up owners in the base's tree. Throws not-found for a missing
 * source, invalid for what cannot be copied.
 */
export async function prepareCopy(
  context: BuildContext,
  vertex: CopyVertex,
  from: SourceTree,
  base: SnapshotMount,
  signal: AbortSignal,
): Promise<PreparedCopy> {
  await using undo = new AsyncDisposableStack();
  const { flags } = vertex;
  const owner = flags.chown === "" ? undefined : await parseOwner(context.shim, base, flags.chown, signal);
  // What comes from the context is root's; what comes from another stage keeps its owner there.
  const isContext = typeof vertex.from === "string";
  const placement: Placement = {
    destination: byteName(vertex.destination),
    owner: owner ?? (isContext ? { uid: 0, gid: 0 } : undefined),
    chmod: parseChmod(flags.chmod),
    exclude: flags.exclude,
    parents: flags.parents,
  };
  const parts: Part[] = [];
  const temporary = async (): Promise<string> => {
    const folder = await mkdtemp(join(context.folder, "tmp-"));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    return folder;
  };
  if (
    flags.checksum !== "" &&
    !(vertex.isAdd && vertex.sources.every((s) => s.kind === "path" && isRemote(s.path)))
  )
    throw invalid("checksum can't be specified for local or here-document sources");
  for (const [at, source] of vertex.sources.entries()) {
    if (source.kind === "heredoc") {
      const folder = await temporary();
      writeFileSync(join(folder, "content"), source.heredoc.content, { mode: 0o644 });
      const tree = new SourceTree(context.shim, { lower: [folder] });
      const [selected] = await selectSource(tree, "content", signal);
      if (selected === undefined) continue;
      const named = { ...selected, path: byteName(posix.basename(source.heredoc.name)) };
      parts.push({ tree, changes: placeSource(withTime(named), "", { ...placement, parents: false }) });
    } else if (vertex.isAdd && isRemote(source.path)) {
      const folder = join(await temporary(), String(at));
      mkdirSync(folder);
      const fetched = await fetchRemote(
        source.path,
        folder,
        { network: context.registries, checksum: flags.checksum, keepGitDir: flags.keepGitDir },
        signal,
      );
      const tree = new SourceTree(context.shim, { lower: [folder] });
      const own = { ...placement, owner: owner ?? { uid: 0, gid: 0 }, parents: false };
      for (const selected of await selectSource(tree, fetched.path, signal)) {
        const unpack = fetched.kind === "file" && flags.unpack === true;
        parts.push({ tree, changes: unpack ? unpacking(selected, own) : placeSource(selected, "", own) });
      }
    } else {
      for (const selected of await selectSource(from, source.path, signal)) {
        const unpack = vertex.isAdd && flags.unpack !== false && (await isUnpacked(from, selected));
        const changes = unpack
          ? unpacking(selected, placement)
          : placeSource(selected, source.path, placement);
        parts.push({ tree: from, changes });
      }
    }
  }
  const identity = await identityOf(parts, signal);
  const owned = undo.move();
  return {
    identity,
    async write(tree, stop) {
      for (const { tree: source, changes } of merged(parts)) {
        await copyIntoTree(context.shim, { source: source.mount, tree, changes }, stop);
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A document has no time of its own: the beginning of time, so that the same text is the same file. */
function withTime(selected: Selected): Selected {
  return {
    ...selected,
    entries: selected.entries.map((entry) => ({ ...entry, mtime: ["0", "0"] as const })),
  };
}

function unpacking(selected: Selected, { destination, owner }: Placement): TreeChange[] {
  const { uid = 0, gid = 0 } = owner ?? {};
  return [
    { kind: "parents", path: destination.replace(/(?<=.)\/$/, ""), mode: 0o755, uid, gid },
    { kind: "target", path: destination, name: "" },
    { kind: "unpack", source: selected.base, path: "" },
  ];
}

/** ADD unpacks local archives, told by their content. */
async function isUnpacked(tree: SourceTree, { entries }: Selected): Promise<boolean> {
  const [entry] = entries;
  const [folder] = tree.mount.lower;
  // Archives are looked for in the context and in trees of one layer; those of several have no one folder to read in.
  if (entry?.type !== "file" || folder === undefined || tree.mount.lower.length > 1) return false;
  return isArchive(Buffer.from(`${folder}/${entry.path}`, "latin1"));
}

/** Neighbours of one source go in one go. */
function merged(parts: readonly Part[]): Part[] {
  const result: Part[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (last?.tree === part.tree)
      result.splice(-1, 1, { tree: part.tree, changes: [...last.changes, ...part.changes] });
    else result.push(part);
  }
  return result;
}

async function identityOf(parts: readonly Part[], signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for (const { tree, changes } of parts) {
    const files = changes.flatMap((change) =>
      change.kind === "file" || change.kind === "unpack" ? [change.source] : [],
    );
    const digests = await tree.digests(files, signal);
    for (const change of changes) {
      const { entry, source, ...rest } = { entry: undefined, source: undefined, ...change };
      const attributes = entry === undefined ? [] : [entry.mode, entry.uid, entry.gid];
      hash.update(JSON.stringify([rest, attributes, source === undefined ? "" : digests.get(source)]));
    }
  }
  return hash.digest("hex");
}
