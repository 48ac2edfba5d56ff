import { chmodSync, chownSync, statSync } from "node:fs";
import type { LayerDraft, SnapshotMount } from "../../snapshot/index.ts";
import type { BuildContext } from "../dependencies.ts";

/** A tree on these layers (topmost first) whose changes go into a draft, which the caller commits or discards. */
export async function openTree(
  { snapshotter }: BuildContext,
  lower: readonly string[],
): Promise<{ draft: LayerDraft; tree: SnapshotMount }> {
  const draft = await snapshotter.prepareLayer(undefined, { writable: true });
  likeRoot(draft.folder, lower[0]);
  const { folder: upper, work } = draft;
  return { draft, tree: { lower, upper, ...(work === undefined ? {} : { work }) } };
}

/** The root folder of a tree is its topmost layer's: a new layer begins with what the one below has. */
function likeRoot(folder: string, below: string | undefined): void {
  if (below === undefined) return;
  const { mode, uid, gid } = statSync(below);
  chownSync(folder, uid, gid);
  chmodSync(folder, mode & 0o7777);
}
