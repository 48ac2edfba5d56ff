import type { ContentStore } from "../content/index.ts";
import { EngineError } from "../errors/index.ts";
import type { EventLog } from "../events/index.ts";
import type { Log } from "../log/index.ts";
import { parseReference } from "../reference/index.ts";
import type { RegistryNetwork } from "../registry/index.ts";
import type { OverlaySnapshotter } from "../snapshot/index.ts";
import type { Store } from "../store/index.ts";
import { assembleImage } from "./assemble.ts";
import { attestImage } from "./attestations.ts";
import { findBuiltin, installBuiltin, requirePlatform } from "./builtin.ts";
import { commitImage } from "./commit.ts";
import type { BuiltinImage, ImageContext } from "./context.ts";
import { diffImages, explainLayers } from "./explain-layers.ts";
import { checkStore } from "./fsck.ts";
import { collectGarbage } from "./garbage.ts";
import { importImage } from "./import.ts";
import { imageHistory, inspectImage, resolvedImage } from "./inspect.ts";
import { Leases } from "./leases.ts";
import { listImages } from "./list.ts";
import { loadImages } from "./load.ts";
import { findImage, findImageOrUndefined } from "./lookup.ts";
import { familiar, nameFrom } from "./names.ts";
import { pruneImages } from "./prune.ts";
import { publishImageEvent } from "./publish.ts";
import { obtainAll } from "./pull/fetch-image.ts";
import { LayerFetches } from "./pull/layer-fetches.ts";
import { pullImage } from "./pull/pull-image.ts";
import { compressed, withCompressedLayers } from "./push/compress-layers.ts";
import { pushImage } from "./push/push-image.ts";
import { recoverImages } from "./recover.ts";
import { inspectDistribution, login, remoteConfig, search } from "./registry-queries.ts";
import { removeImage } from "./remove.ts";
import { saveImages } from "./save.ts";
import type { ImageService, ImageUse, ResolvedImage } from "./service.ts";
import { Settling } from "./settling.ts";
import { ImageTable } from "./table.ts";

export interface ImageServiceOptions {
  readonly store: Store;
  readonly content: ContentStore;
  readonly snapshotter: OverlaySnapshotter;
  readonly events: EventLog;
  /** Path of gantry-shim. */
  readonly shim: string;
  /** A folder of the file system that has blobs and layers. */
  readonly folder: string;
  readonly log: Log;
  /** Containers of an image, running or not. */
  readonly usedBy: (imageId: string) => readonly ImageUse[];
  readonly registries: RegistryNetwork;
  readonly builtins: readonly BuiltinImage[];
  /** Blobs and chainIDs that other services keep (a build cache); none when absent. */
  readonly roots?: () => ReadonlySet<string>;
}

/** The image service, and what the daemon's start needs of it. */
export interface LocalImageService extends ImageService, Disposable {
  /**
   * Check the images that a failure of power may have torn; gives a sentence for each that is lost. Run at start, before
   * anything uses images.
   */
  recover(): Promise<string[]>;
  /** Remove blobs and layers that nothing speaks for: what a crash left. Run at start, after `content.sweep` and `snapshotter.sweep`. */
  collectGarbage(): Promise<void>;
  /** Whether an image has this layer. */
  hasLayer(chainId: string): boolean;
}

const NOTHING: ReadonlySet<string> = new Set();

export function createImageService(options: ImageServiceOptions): LocalImageService {
  const { store, shim, folder, log } = options;
  const settling = new Settling({ store, shim, folder, onFailure: (sentence) => log.error(sentence) });
  const context: ImageContext = {
    ...options,
    roots: options.roots ?? (() => NOTHING),
    settling,
    table: new ImageTable(store, settling),
    leases: new Leases(),
    fetches: new LayerFetches(),
  };
  return {
    list: async (query) => listImages(context, query),
    inspect: (reference) => inspectImage(context, reference),
    history: (reference) => imageHistory(context, reference),
    tag: (reference, repository, tag) => tagImage(context, reference, repository, tag),
    remove: (reference, how) => removeImage(context, reference, how),
    load: (archive, signal, platform) => loadImages(context, archive, signal, platform),
    save: (references, _signal, how) => saveImages(context, references, how),
    import: (archive, how, signal) => importImage(context, archive, how, signal),
    pull: (reference, how, signal) => pullImage(context, reference, how, signal),
    push: (reference, how, signal) => pushImage(context, reference, how, signal),
    login: (credentials, signal) => login(context, credentials, signal),
    search: (question, signal) => search(context, question, signal),
    distribution: (reference, account, signal) => inspectDistribution(context, reference, account, signal),
    async configOf(reference, how, signal) {
      try {
        return (await resolveImage(context, reference, how.platform)).config;
      } catch (error) {
        if (!(error instanceof EngineError && error.kind === "not-found")) throw error;
        return remoteConfig(context, reference, how, signal);
      }
    },
    resolve: (reference, platform) => resolveImage(context, reference, platform),
    findById(id) {
      const image = context.table.find(id);
      return image === undefined ? undefined : resolvedImage(image);
    },
    prune: (filters) => pruneImages(context, filters),
    check: (repair, signal) => checkStore(context, repair, signal),
    layerBytes: () =>
      options.snapshotter
        .listLayers()
        .reduce((sum, { chainId }) => sum + (options.snapshotter.layerSize(chainId) ?? 0), 0),
    explain: (reference, signal) => explainLayers(context, reference, signal),
    diff: (before, after, signal) => diffImages(context, before, after, signal),
    commit: (request, signal) => commitImage(context, request, signal),
    assemble: (image) => assembleImage(context, image),
    layersOf(id) {
      const image = context.table.find(id);
      return image === undefined ? undefined : { document: image.document, layers: image.layers };
    },
    bringLayers: (layers, signal) => obtainAll(context, layers, () => undefined, signal),
    blobOf: (diffId) => context.table.blobOf(diffId),
    async compressLayers(id, lease, signal) {
      const { image } = findImage(context, id);
      for (const { blobDigest } of image.layers) lease.add(blobDigest);
      return (await withCompressedLayers(context, image, lease, signal)).layers;
    },
    compressLayer: (layer, lease, signal) => compressed(context, layer, lease, signal),
    attest: (id, predicates, names, lease, signal) =>
      attestImage(context, id, predicates, names, lease, signal),
    lease: () => context.leases.take(),
    hasLayer: (chainId) => context.table.isChainUsed(chainId),
    async collectGarbage() {
      await collectGarbage(context);
    },
    recover: () => recoverImages(context),
    [Symbol.dispose]: () => settling[Symbol.dispose](),
  };
}

function tagImage(context: ImageContext, reference: string, repository: string, tag: string): void {
  const name = nameFrom(repository, tag);
  const { image } = findImage(context, reference);
  context.store.transaction(() => context.table.setName(name, image.id));
  publishImageEvent(context, "tag", image.id, familiar(name), image);
}

async function resolveImage(
  context: ImageContext,
  reference: string,
  platform: string | undefined,
): Promise<ResolvedImage> {
  const found = findImageOrUndefined(context, reference);
  if (found !== undefined) {
    requirePlatform(reference, found.image.document, platform);
    return resolvedImage(found.image);
  }
  const parsed = /^(?:sha256:)?[0-9a-f]{64}$/.test(reference) ? undefined : parseReference(reference);
  const builtin = parsed === undefined ? undefined : findBuiltin(context, parsed);
  if (builtin === undefined) return resolvedImage(findImage(context, reference).image);
  requirePlatform(reference, { os: "linux", architecture: "amd64" }, platform);
  return resolvedImage(await installBuiltin(context, builtin, new AbortController().signal));
}
