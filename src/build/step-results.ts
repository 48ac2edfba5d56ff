import { packLayer } from "../archive/index.ts";
import type { Digest, Ingest } from "../content/index.ts";
import { chainIdsOf, type ImageLayer, type Lease } from "../image/index.ts";
import type { LayerDraft } from "../snapshot/index.ts";
import { layerOf } from "./cache/find-result.ts";
import type { Recipes } from "./cache/recipe.ts";
import type { CachedLayer } from "./cache/table.ts";
import type { BuildContext } from "./dependencies.ts";
import { chainOf, type Vertex } from "./plan/vertex.ts";

interface Packed {
  readonly layers: readonly ImageLayer[];
  readonly own: ImageLayer | undefined;
}

/** What a step has made, still without a name. */
export interface StepResult {
  readonly vertex: Exclude<Vertex, { kind: "source" }>;
  /** The layers that it stands on, base first. */
  readonly below: Promise<readonly ImageLayer[]>;
  /** Holds its changes. */
  readonly draft: LayerDraft;
  /** Its key in the cache on layers. */
  readonly keyOn: (layers: readonly ImageLayer[]) => string;
  readonly madeAtMs: number;
}

interface StepResultsOptions {
  readonly context: BuildContext;
  readonly epochSeconds: number | undefined;
  readonly lease: Lease;
  /** Layers of this vertex's chain become blobs as they are made. */
  readonly target: Vertex;
  readonly recipes: Recipes;
}

/**
 * What the steps of one build came to, as layers with names and with places in the cache. Drafts and blobs that are not
 * committed belong to it, and are removed when it is disposed.
 */
export class StepResults implements AsyncDisposable {
  readonly #options: StepResultsOptions;
  readonly #exported: ReadonlySet<Vertex>;
  readonly #drafts: LayerDraft[] = [];
  readonly #ingests = new Map<Digest, Ingest>();
  /** Of what was solved, by content: known once it is. */
  readonly #keys = new Map<Vertex, string>();

  constructor(options: StepResultsOptions) {
    this.#options = options;
    this.#exported = new Set(chainOf(options.target));
  }

  /** Blobs that this build made and that are not yet in the content store. */
  get ingests(): ReadonlyMap<Digest, Ingest> {
    return this.#ingests;
  }

  /** Take over a draft that a step is to write into. */
  own(draft: LayerDraft): void {
    this.#drafts.push(draft);
  }

  noteKey(vertex: Vertex, key: string): void {
    this.#keys.set(vertex, key);
  }

  /** Undefined for what was not solved, or by its recipe alone. */
  keyOf(vertex: Vertex): string | undefined {
    return this.#keys.get(vertex);
  }

  /** Give a step's changes their names: diffID, chain, row, and a place in the cache. */
  async pack({ vertex, draft, keyOn, madeAtMs, ...step }: StepResult, signal: AbortSignal): Promise<Packed> {
    const { context, lease, epochSeconds } = this.#options;
    const latest = epochSeconds === undefined ? {} : { latestSeconds: epochSeconds };
    const ingest = this.#exported.has(vertex) ? await context.content.begin() : undefined;
    let keep = false;
    try {
      const where = ingest === undefined ? {} : { tarPath: ingest.path };
      const packed = await packLayer(
        { shim: context.shim, folder: draft.folder, ...where, ...latest },
        signal,
      );
      const below = await step.below;
      const parent = below.at(-1)?.chainId;
      const key = keyOn(below);
      this.#keys.set(vertex, key);
      await this.#forgetForeign(vertex, signal);
      // The root folder alone: nothing was changed.
      if (packed.entries <= 1) {
        context.cache.put(key, parent, undefined, vertex.step.text, madeAtMs);
        return { layers: below, own: undefined };
      }
      const [chainId = packed.diffId] = chainIdsOf(
        parent === undefined ? [packed.diffId] : [parent, packed.diffId],
      ).slice(-1);
      const cached: CachedLayer = { diffId: packed.diffId, chainId, sizeBytes: packed.fileBytes };
      lease.add(chainId);
      lease.add(packed.diffId);
      if (ingest !== undefined && !this.#ingests.has(packed.diffId)) {
        await ingest.sealWritten(packed.diffId, packed.tarBytes);
        this.#ingests.set(packed.diffId, ingest);
        keep = true;
      }
      // An equal layer may be here; later steps of this build stand on this folder, which so stays until the end.
      if (context.snapshotter.findLayer(chainId) === undefined)
        await context.snapshotter.commitLayer(draft, chainId, parent, packed.fileBytes);
      context.cache.put(key, parent, cached, vertex.step.text, madeAtMs);
      const own = layerOf(cached, packed.tarBytes);
      return { layers: [...below, own], own };
    } finally {
      if (!keep) await ingest?.[Symbol.asyncDispose]();
    }
  }

  /** What was made anew here takes the place of what another machine once made by the same recipe. */
  async #forgetForeign(vertex: Vertex, signal: AbortSignal): Promise<void> {
    const { cache } = this.#options.context;
    const recipe = cache.hasForeign ? await this.#options.recipes.of(vertex, signal) : undefined;
    if (recipe !== undefined) cache.delete(recipe);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ingest of this.#ingests.values()) await ingest[Symbol.asyncDispose]();
    for (const draft of this.#drafts) await this.#options.context.snapshotter.discard(draft);
  }
}
