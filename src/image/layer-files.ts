import { createHash } from "node:crypto";
import { posix } from "node:path";
import { decompressed, readTarEntries } from "../archive/index.ts";
import type { ImageContext } from "./context.ts";
import type { ImageLayer } from "./table.ts";

/** A file, link or device of a layer, or a folder. */
export interface LayerFile {
  /** Without slashes around; "" for the root. */
  readonly path: string;
  readonly type: string;
  readonly sizeBytes: number;
  /** Of what makes two files the same: type, mode, owner, target and bytes; times do not count. Empty unless asked for. */
  readonly signature: string;
}

/** What a layer does to the tree below it. */
export interface LayerChanges {
  readonly files: readonly LayerFile[];
  /** Paths that it hides; of a folder all below too. */
  readonly hidden: readonly string[];
  /** Folders of which nothing below shows through. */
  readonly opaque: readonly string[];
}

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Read a layer's tar (OCI image-spec, layer.md). `sign` also takes the digests of files. */
export async function readLayer(
  context: ImageContext,
  layer: ImageLayer,
  sign: boolean,
  signal: AbortSignal,
): Promise<LayerChanges> {
  const files: LayerFile[] = [];
  const hidden: string[] = [];
  const opaque: string[] = [];
  for await (const entry of readTarEntries(
    await decompressed(await context.content.open(layer.blobDigest)),
  )) {
    signal.throwIfAborted();
    const path = posix.normalize(`/${entry.path}`).replace(/^\/|\/$/g, "");
    const folder = posix.dirname(path) === "." ? "" : posix.dirname(path);
    const base = posix.basename(path);
    if (base === OPAQUE) opaque.push(folder);
    else if (base.startsWith(WHITEOUT)) hidden.push(posix.join(folder, base.slice(WHITEOUT.length)));
    else
      files.push({
        path,
        type: entry.type,
        sizeBytes: entry.sizeBytes,
        signature: sign ? await signed(entry) : "",
      });
  }
  return { files, hidden, opaque };
}

async function signed(entry: {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkPath: string;
  chunks(): AsyncIterable<Uint8Array>;
}): Promise<string> {
  const hash = createHash("sha256");
  hash.update(`${entry.type} ${entry.mode} ${entry.uid} ${entry.gid} ${entry.linkPath}\n`);
  if (entry.type === "file") for await (const chunk of entry.chunks()) hash.update(chunk);
  return hash.digest("hex");
}

/** A tree put together from layers: each path with the file that shows and the layer that it comes from. */
export class LayeredTree {
  readonly files = new Map<string, { readonly file: LayerFile; readonly layer: number }>();

  /** Put a layer on top. Gives what it added, changed and hid, and the bytes below that nobody sees any more. */
  apply(changes: LayerChanges, layer: number) {
    const added: LayerFile[] = [];
    const changed: LayerFile[] = [];
    const hidden: string[] = [];
    let wasted = 0;
    const drop = (path: string) => {
      const below = this.files.get(path);
      if (below === undefined || below.layer === layer) return;
      hidden.push(path);
      wasted += below.file.sizeBytes;
      this.files.delete(path);
    };
    const dropBelow = (folder: string) => {
      const prefix = folder === "" ? "" : `${folder}/`;
      for (const path of [...this.files.keys()]) if (path !== "" && path.startsWith(prefix)) drop(path);
    };
    for (const folder of changes.opaque) dropBelow(folder);
    for (const path of changes.hidden) {
      drop(path);
      dropBelow(path);
    }
    for (const file of changes.files) {
      const below = this.files.get(file.path);
      if (below === undefined || below.layer === layer) added.push(file);
      else {
        if (file.type !== "directory" || below.file.type !== "directory") changed.push(file);
        wasted += below.file.sizeBytes;
        if (file.type !== "directory" && below.file.type === "directory") dropBelow(file.path);
      }
      this.files.set(file.path, { file, layer });
    }
    return { added, changed, hidden, wasted };
  }
}
