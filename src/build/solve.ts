import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Digest, Ingest } from "../content/index.ts";
import { cancelled } from "../errors/index.ts";
import type { ImageLayer, Lease } from "../image/index.ts";
import { limiter } from "../platform/index.ts";
import { copyIntoTree } from "../snapshot/index.ts";
import { bringAhead, bringForeign, findHere } from "./cache/find-result.ts";
import type { Recipes } from "./cache/recipe.ts";
import type { ForeignResults } from "./cache/remote/sources.ts";
import type { ContextTrees } from "./context/trees.ts";
import type { BuildContext } from "./dependencies.ts";
import { type BuildEvent, StepError, type StepInfo } from "./events.ts";
import { located } from "./plan/planning.ts";
import {
  type CopyVertex,
  chainOf,
  inputsOf,
  type RunMount,
  type RunVertex,
  type Vertex,
} from "./plan/vertex.ts";
import type { BuildRequest, OfferedSecrets } from "./service.ts";
import { StepResults } from "./step-results.ts";
import { prepareCopy } from "./steps/copy.ts";
import { folderOwner } from "./steps/owner.ts";
import { contentOf, executeRun, identityOfRun } from "./steps/run.ts";
import { offerShell } from "./steps/shell.ts";
import { byteName, SourceTree } from "./steps/source-tree.ts";
import { openTree } from "./steps/working-tree.ts";

/** The tree that an operation came to. */
export interface Solved {
  /** Folders of its layers, topmost first. Usable at once. */
  readonly lower: readonly string[];
  /** Its layers, base first: known once the last one is packed. */
  readonly layers: Promise<readonly ImageLayer[]>;
  /** The layer of the operation itself; undefined when it changed nothing. */
  readonly own: Promise<ImageLayer | undefined>;
  /** When it was made, which for a cached one was earlier: the same result has the same image. */
  readonly madeAtMs: number;
  /** Made in this build, so that what stands on it cannot be in the cache. */
  readonly isFresh: boolean;
}

export interface SolverOptions {
  readonly context: BuildContext;
  readonly request: BuildRequest;
  readonly files: ContextTrees;
  readonly secrets: OfferedSecrets;
  readonly epochSeconds: number | undefined;
  readonly tell: (event: BuildEvent) => void;
  readonly lease: Lease;
  /** Layers of this vertex's chain become blobs as they are made. */
  readonly target: Vertex;
  readonly recipes: Recipes;
  readonly foreign: ForeignResults;
}

/** Of the format of keys: other keys are other results. */
const KEY_VERSION = "1";

/**
 * Solves the vertices of one build, each once, inputs first and independent ones at the same time. A result is looked up by
 * the digest of the operation and of the content it works on; the packing of a layer goes on while the next step runs on it.
 * Dispose it in any case: what is not committed is then removed.
 */
export class Solver implements AsyncDisposable {
  readonly #options: SolverOptions;
  readonly #solved = new Map<Vertex, Promise<Solved>>();
  readonly #trees = new Map<Vertex, SourceTree>();
  readonly #hits: string[] = [];
  readonly #results: StepResults;
  readonly #packing: Promise<unknown>[] = [];
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Steps wait for networks and disks more than they compute, so there are more of them at a time than processors. */
  readonly #slot = limiter(Math.max(8, 4 * availableParallelism()));

  constructor(options: SolverOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#results = new StepResults(options);
  }

  /** Blobs that this build made and that are not yet in the content store. */
  get ingests(): ReadonlyMap<Digest, Ingest> {
    return this.#results.ingests;
  }

  /** Rejects with the first failure; everything else is then stopped and has ended. */
  async run(vertex: Vertex): Promise<Solved> {
    try {
      const solved = await this.solve(vertex);
      await solved.layers;
      await Promise.all(this.#packing);
      return solved;
    } catch (error) {
      this.#stop.abort(cancelled("context canceled"));
      await Promise.allSettled([...this.#solved.values(), ...this.#packing]);
      throw error;
    } finally {
      this.#options.context.cache.touch(this.#hits);
    }
  }

  solve(vertex: Vertex): Promise<Solved> {
    const known = this.#solved.get(vertex);
    if (known !== undefined) return known;
    const solved = this.#work(vertex);
    this.#solved.set(vertex, solved);
    // Whoever needs it meets the failure; until then it must not count as unhandled.
    solved.catch(() => undefined);
    return solved;
  }

  async #work(vertex: Vertex): Promise<Solved> {
    if (vertex.kind === "source") return this.#source(vertex);
    const known = await this.#byRecipe(vertex);
    if (known !== undefined) return known;
    // All at once: stages that do not need each other run side by side.
    await Promise.all(inputsOf(vertex).map((input) => this.solve(input)));
    const base = await this.solve(vertex.base);
    return located(vertex.step, () => this.#step(vertex, base));
  }

  /**
   * A result that is known by how it is made, without a look at what is copied or mounted into it: only caches of other
   * machines have such, and what came from them.
   */
  async #byRecipe(vertex: Exclude<Vertex, { kind: "source" }>): Promise<Solved | undefined> {
    const { foreign, recipes, context } = this.#options;
    if (foreign.isEmpty && !context.cache.hasForeign) return undefined;
    if (!recipes.mayBeTaken(vertex)) return undefined;
    const recipe = await located(vertex.step, () => recipes.of(vertex, this.#signal));
    if (recipe === undefined || !(foreign.has(recipe) || context.cache.find(recipe) !== undefined))
      return undefined;
    // The whole chain at once, before its parts are asked for one after the other.
    this.#packing.push(bringAhead(this.#options, recipe, this.#signal));
    const base = await this.solve(vertex.base);
    // The caches that this build names come before what others once left here by the same recipe.
    const hit = await located(vertex.step, () => this.#lookUp(recipe, vertex, base, "foreign first"));
    if (hit === undefined) return undefined;
    const { step } = vertex.step;
    this.#options.tell({ kind: "started", step, atMs: Date.now() });
    await this.#tellCached(vertex, hit);
    return hit;
  }

  async #tellCached({ step: { step } }: { readonly step: StepInfo }, hit: Solved): Promise<void> {
    const result = (await hit.layers).at(-1)?.chainId ?? "";
    this.#options.tell({ kind: "finished", step, atMs: Date.now(), cached: true, result });
  }

  async #source({ imageId, step }: Extract<Vertex, { kind: "source" }>): Promise<Solved> {
    const { context, tell } = this.#options;
    if (step !== undefined) tell({ kind: "started", step: step.step, atMs: Date.now() });
    const layers = imageId === undefined ? [] : (context.images.layersOf(imageId)?.layers ?? []);
    const top = layers.at(-1)?.chainId;
    const lower = top === undefined ? [] : context.snapshotter.view(top).lower;
    for (const layer of layers) this.#options.lease.add(layer.chainId);
    for (const layer of layers) this.#options.lease.add(layer.blobDigest);
    if (step !== undefined)
      tell({ kind: "finished", step: step.step, atMs: Date.now(), cached: false, result: imageId ?? "" });
    const created =
      imageId === undefined ? 0 : Date.parse(context.images.layersOf(imageId)?.document.created ?? "");
    const madeAtMs = Number.isNaN(created) ? 0 : created;
    return {
      lower,
      layers: Promise.resolve(layers),
      own: Promise.resolve(undefined),
      madeAtMs,
      isFresh: false,
    };
  }

  async #step(vertex: Exclude<Vertex, { kind: "source" }>, base: Solved): Promise<Solved> {
    const { tell } = this.#options;
    const { step } = vertex.step;
    tell({ kind: "started", step, atMs: Date.now() });
    try {
      await using prepared = vertex.kind === "copy" ? await this.#prepareCopy(vertex, base) : undefined;
      const identity = vertex.kind === "copy" ? prepared?.identity : await this.#identity(vertex);
      const keyOn = (layers: readonly ImageLayer[]) =>
        createHash("sha256")
          .update(
            JSON.stringify([
              KEY_VERSION,
              vertex.kind,
              layers.at(-1)?.chainId ?? "",
              this.#options.epochSeconds,
              identity,
            ]),
          )
          .digest("hex");
      if (!base.isFresh && !vertex.noCache) {
        const hit = await this.#lookUp(keyOn(await base.layers), vertex, base, "own first");
        if (hit !== undefined) {
          this.#results.noteKey(vertex, keyOn(await base.layers));
          await this.#tellCached(vertex, hit);
          return hit;
        }
      }
      return await this.#slot(() => this.#execute(vertex, base, prepared, keyOn));
    } catch (error) {
      tell({
        kind: "failed",
        step,
        atMs: Date.now(),
        message: error instanceof Error ? error.message : String(error),
      });
      throw error;
    }
  }

  /** What this engine's cache or one of another machine has under a key for the base that is at hand. */
  async #lookUp(
    key: string,
    { step }: { readonly step: StepInfo },
    base: Solved,
    order: "own first" | "foreign first",
  ): Promise<Solved | undefined> {
    const below = await base.layers;
    const bring = () => bringForeign(this.#options, key, step.text, below, this.#signal);
    const find = () => findHere(this.#options, key, below);
    const own = order === "own first" ? (find() ?? (await bring())) : ((await bring()) ?? find());
    if (own === undefined) return undefined;
    this.#hits.push(key);
    const layers = own.layer === undefined ? below : [...below, own.layer];
    const chainId = layers.at(-1)?.chainId;
    return {
      lower: chainId === undefined ? [] : this.#options.context.snapshotter.view(chainId).lower,
      layers: Promise.resolve(layers),
      own: Promise.resolve(own.layer),
      madeAtMs: Math.max(own.madeAtMs, base.madeAtMs),
      isFresh: false,
    };
  }

  #prepareCopy(vertex: CopyVertex, base: Solved) {
    const { files } = this.#options;
    const from =
      typeof vertex.from === "string" ? Promise.resolve(files.named(vertex.from)) : this.#treeOf(vertex.from);
    return from.then((tree) =>
      prepareCopy(this.#options.context, vertex, tree, { lower: base.lower }, this.#signal),
    );
  }

  async #treeOf(vertex: Vertex): Promise<SourceTree> {
    const known = this.#trees.get(vertex);
    if (known !== undefined) return known;
    const { lower } = await this.solve(vertex);
    const tree = this.#trees.get(vertex) ?? new SourceTree(this.#options.context.shim, { lower });
    this.#trees.set(vertex, tree);
    return tree;
  }

  async #mountTrees(vertex: RunVertex): Promise<(mount: RunMount) => SourceTree | undefined> {
    const trees = new Map<RunMount, SourceTree>();
    for (const mount of vertex.mounts) {
      if (mount.input === "context") trees.set(mount, this.#options.files.named(""));
      else if (mount.input !== undefined) trees.set(mount, await this.#treeOf(mount.input));
    }
    return (mount) => trees.get(mount);
  }

  async #identity(vertex: Exclude<Vertex, { kind: "source" | "copy" }>): Promise<unknown> {
    if (vertex.kind === "folder") return vertex.user === "" ? vertex.path : [vertex.path, vertex.user];
    const treeOf = await this.#mountTrees(vertex);
    return identityOfRun(vertex, this.#options.request, async (mount) => {
      const tree = treeOf(mount);
      if (tree === undefined) return undefined;
      const { source, input } = mount;
      // The whole tree of a vertex is known by its chain; parts of it, and the context, by what is in them.
      const isWhole = (source === "" || source === "/") && input !== undefined && input !== "context";
      const chainId = isWhole ? (await (await this.solve(input)).layers).at(-1)?.chainId : undefined;
      return chainId ?? contentOf(tree, byteName(source), this.#signal);
    });
  }

  async #execute(
    vertex: Exclude<Vertex, { kind: "source" }>,
    base: Solved,
    prepared: Awaited<ReturnType<typeof prepareCopy>> | undefined,
    keyOn: (layers: readonly ImageLayer[]) => string,
  ): Promise<Solved> {
    this.#signal.throwIfAborted();
    const { context, request, secrets, tell } = this.#options;
    const { draft, tree } = await openTree(context, base.lower);
    this.#results.own(draft);
    const { step } = vertex.step;
    switch (vertex.kind) {
      case "run": {
        const treeOf = await this.#mountTrees(vertex);
        const write = (stream: 1 | 2, bytes: Buffer) =>
          tell({ kind: "output", step, stream, bytes: Buffer.from(bytes) });
        const how = { request, secrets, treeOf, write };
        try {
          await executeRun(context, vertex, tree, how, this.#signal);
        } catch (error) {
          if (request.onError === "shell" && error instanceof StepError && error.exitCode !== undefined)
            await offerShell(context, vertex, base.lower, how, tell, this.#signal);
          throw error;
        }
        break;
      }
      case "copy": {
        const written = vertex.flags.link ? { lower: [], upper: draft.folder } : tree;
        await prepared?.write(written, this.#signal);
        break;
      }
      case "folder": {
        const owner = await folderOwner(context.shim, { lower: base.lower }, vertex.user, this.#signal);
        const folder = { kind: "parents", path: byteName(vertex.path), mode: 0o755, ...owner } as const;
        await copyIntoTree(context.shim, { source: { lower: [] }, tree, changes: [folder] }, this.#signal);
      }
    }
    const madeAtMs = Date.now();
    const packed = this.#results.pack({ vertex, below: base.layers, draft, keyOn, madeAtMs }, this.#signal);
    this.#packing.push(packed);
    packed.then(
      ({ layers, own }) =>
        tell({
          kind: "finished",
          step,
          atMs: Date.now(),
          cached: false,
          result: own?.chainId ?? layers.at(-1)?.chainId ?? "",
        }),
      () => undefined,
    );
    // A folder that was there already leaves all as it was, and what follows may be in the cache.
    const isUnchanged = vertex.kind === "folder" && (await packed).own === undefined;
    return {
      lower: isUnchanged ? base.lower : [draft.folder, ...base.lower],
      layers: packed.then(({ layers }) => layers),
      own: packed.then(({ own }) => own),
      madeAtMs,
      isFresh: !isUnchanged || base.isFresh,
    };
  }

  /** What was solved so far. */
  get made(): ReadonlySet<Vertex> {
    return new Set(this.#solved.keys());
  }

  /** The keys of a result, the recipe's first. */
  async keysOf(vertex: Vertex): Promise<string[]> {
    const recipe = await this.#options.recipes.of(vertex, this.#signal);
    return [recipe, this.#results.keyOf(vertex)].filter((key) => key !== undefined);
  }

  /** Whether a vertex that was not solved yet would be found in a cache, with all that it stands on. */
  async isKnown(vertex: Vertex): Promise<boolean> {
    const { foreign, recipes, context } = this.#options;
    for (const each of chainOf(vertex)) {
      if (each.kind === "source" || this.#solved.has(each)) continue;
      const recipe = recipes.mayBeTaken(each) ? await recipes.of(each, this.#signal) : undefined;
      if (recipe === undefined || !(foreign.has(recipe) || context.cache.find(recipe) !== undefined))
        return false;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(cancelled("the build has ended"));
    await Promise.allSettled([...this.#solved.values(), ...this.#packing]);
    await this.#results[Symbol.asyncDispose]();
  }
}
