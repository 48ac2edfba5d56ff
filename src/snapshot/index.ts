export { folderBytes } from "./disk-usage.ts";
export {
  copyIntoTree,
  digestFiles,
  type FileEntry,
  type ListedTree,
  listTree,
  readTreeFiles,
  statTree,
  type TreeChange,
} from "./file-tree.ts";
export { snapshotMigrations } from "./migrations.ts";
export { createOverlaySnapshotter, type OverlaySnapshotter } from "./overlay.ts";
export type { LayerDraft, SnapshotMount, Snapshotter, StackedLayer } from "./snapshotter.ts";
