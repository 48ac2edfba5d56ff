import type { ImageDiff, ImageLayerReport, ImageLayersReply } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { LayeredTree, type LayerFile, readLayer } from "./layer-files.ts";
import { findImage } from "./lookup.ts";
import type { ImageRecord } from "./table.ts";

const LARGEST = 10;

/** What each layer of an image adds, changes and hides, base first, and the bytes that lie below others unseen. */
export async function explainLayers(
  context: ImageContext,
  reference: string,
  signal: AbortSignal,
): Promise<ImageLayersReply> {
  const { image } = findImage(context, reference);
  using lease = context.leases.take();
  for (const { blobDigest } of image.layers) lease.add(blobDigest);
  const steps = image.document.history.filter(({ emptyLayer }) => !emptyLayer);
  const tree = new LayeredTree();
  const layers: ImageLayerReport[] = [];
  for (const [at, layer] of image.layers.entries()) {
    const changes = await readLayer(context, layer, false, signal);
    const { added, changed, hidden, wasted } = tree.apply(changes, at);
    layers.push({
      DiffId: layer.diffId,
      Digest: layer.blobDigest,
      CreatedBy: steps[at]?.createdBy ?? "",
      Size: layer.sizeBytes,
      CompressedSize: layer.blobBytes,
      Added: countOf(added),
      Changed: countOf(changed),
      Hidden: hidden.length,
      WastedBytes: wasted,
      Largest: largest([...added, ...changed]),
    });
  }
  return {
    Id: image.id,
    Size: image.sizeBytes,
    WastedBytes: layers.reduce((sum, { WastedBytes }) => sum + WastedBytes, 0),
    Layers: layers,
  };
}

const countOf = (files: readonly LayerFile[]) => ({
  Files: files.length,
  Bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
});

const largest = (files: readonly LayerFile[]) =>
  files
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes || (a.path < b.path ? -1 : 1))
    .slice(0, LARGEST)
    .map(({ path, sizeBytes }) => ({ Path: `/${path}`, Size: sizeBytes }));

/** The files in which two images differ: by type, mode, owner, link target or bytes. What lies in common layers is the same. */
export async function diffImages(
  context: ImageContext,
  before: string,
  after: string,
  signal: AbortSignal,
): Promise<ImageDiff[]> {
  const [first, second] = [findImage(context, before).image, findImage(context, after).image];
  using lease = context.leases.take();
  for (const { blobDigest } of [...first.layers, ...second.layers]) lease.add(blobDigest);
  const shared = first.layers.findIndex(({ chainId }, at) => chainId !== second.layers[at]?.chainId);
  const common = shared < 0 ? first.layers.length : shared;
  const [old, now] = [
    await treeOf(context, first, common, signal),
    await treeOf(context, second, common, signal),
  ];
  const differences: ImageDiff[] = [];
  for (const [path, { file, layer }] of old.files) {
    const other = now.files.get(path);
    if (other === undefined)
      differences.push({ Kind: "removed", Path: `/${path}`, Before: file.sizeBytes, After: 0 });
    else if ((layer >= common || other.layer >= common) && file.signature !== other.file.signature)
      differences.push({
        Kind: "changed",
        Path: `/${path}`,
        Before: file.sizeBytes,
        After: other.file.sizeBytes,
      });
  }
  for (const [path, { file }] of now.files) {
    if (!old.files.has(path))
      differences.push({ Kind: "added", Path: `/${path}`, Before: 0, After: file.sizeBytes });
  }
  return differences.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

async function treeOf(
  context: ImageContext,
  image: ImageRecord,
  common: number,
  signal: AbortSignal,
): Promise<LayeredTree> {
  const tree = new LayeredTree();
  for (const [at, layer] of image.layers.entries()) {
    // A file of a common layer may be compared with one that replaced it elsewhere, unless all layers are common.
    const sign = common < image.layers.length || at >= common;
    tree.apply(await readLayer(context, layer, sign, signal), at);
  }
  return tree;
}
