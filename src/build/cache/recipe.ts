import { createHash } from "node:crypto";
import { EngineError } from "../../errors/index.ts";
import type { ContextTrees } from "../context/trees.ts";
import { isRemote } from "../plan/apply.ts";
import { type CopyVertex, inputsOf, type RunMount, type RunVertex, type Vertex } from "../plan/vertex.ts";
import type { BuildRequest } from "../service.ts";
import { contentOf, identityOfRun } from "../steps/run.ts";
import { selectSource } from "../steps/select.ts";
import { byteName } from "../steps/source-tree.ts";

/** Of the format of recipes: other recipes are other results. */
const RECIPE_VERSION = "1";

interface RecipeOptions {
  readonly request: BuildRequest;
  readonly files: ContextTrees;
  readonly epochSeconds: number | undefined;
  /** Chain of an image's top layer. */
  readonly chainOf: (imageId: string) => string | undefined;
}

/**
 * Names results by how they are made: the digest of a vertex, of the recipes of what it stands on, of the files it takes
 * from the context, down to the base image. Unlike the key of a result it is known before anything is made, so that a cache
 * of another machine can give the end of a stage without its beginning. What a recipe cannot tell (a result that chance or
 * the network has a part in) counts as the same, as it does for a cached RUN.
 */
export class Recipes {
  readonly #options: RecipeOptions;
  readonly #known = new Map<Vertex, Promise<string | undefined>>();
  readonly #takeable = new Map<Vertex, boolean>();

  constructor(options: RecipeOptions) {
    this.#options = options;
  }

  /** undefined for what has none, because it or something below depends on what an address answers. */
  of(vertex: Vertex, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#known.get(vertex) ?? this.#make(vertex, signal);
    this.#known.set(vertex, known);
    // Whoever asks meets the failure; until then it must not count as unhandled.
    known.catch(() => undefined);
    return known;
  }

  /** Whether a result may be taken by its recipe: nothing that it is made of shall be made anew. */
  mayBeTaken(vertex: Vertex): boolean {
    const known = this.#takeable.get(vertex);
    if (known !== undefined) return known;
    const isAnew = vertex.kind !== "source" && vertex.noCache;
    const may = !isAnew && inputsOf(vertex).every((input) => this.mayBeTaken(input));
    this.#takeable.set(vertex, may);
    return may;
  }

  async #make(vertex: Vertex, signal: AbortSignal): Promise<string | undefined> {
    const { epochSeconds, chainOf } = this.#options;
    if (vertex.kind === "source")
      return digest(["source", vertex.imageId === undefined ? "" : chainOf(vertex.imageId)]);
    const base = await this.of(vertex.base, signal);
    if (base === undefined) return undefined;
    const own = await this.#identity(vertex, signal);
    return own === undefined ? undefined : digest([vertex.kind, base, epochSeconds, own]);
  }

  async #identity(
    vertex: Exclude<Vertex, { kind: "source" }>,
    signal: AbortSignal,
  ): Promise<unknown[] | undefined> {
    switch (vertex.kind) {
      case "folder":
        return [vertex.path, vertex.user];
      case "run":
        return this.#identityOfRun(vertex, signal);
      case "copy":
        return this.#identityOfCopy(vertex, signal);
    }
  }

  async #identityOfRun(vertex: RunVertex, signal: AbortSignal): Promise<unknown[] | undefined> {
    const { request, files } = this.#options;
    const contents = new Map<RunMount, string>();
    for (const mount of vertex.mounts) {
      if (mount.type !== "bind" || mount.input === undefined) continue;
      const content =
        mount.input === "context"
          ? await contentOf(files.named(""), byteName(mount.source), signal)
          : await this.of(mount.input, signal);
      if (content === undefined) return undefined;
      contents.set(mount, content);
    }
    return identityOfRun(vertex, request, async (mount) => contents.get(mount));
  }

  async #identityOfCopy(vertex: CopyVertex, signal: AbortSignal): Promise<unknown[] | undefined> {
    const { from, sources, destination, flags, isAdd } = vertex;
    const said = [sources, destination, flags, isAdd];
    if (typeof from !== "string") {
      const recipe = await this.of(from, signal);
      return recipe === undefined ? undefined : [...said, recipe];
    }
    const tree = this.#options.files.named(from);
    const contents: string[] = [];
    for (const source of sources) {
      if (source.kind === "heredoc") continue;
      if (isAdd && isRemote(source.path)) return undefined;
      try {
        for (const { path, base } of await selectSource(tree, source.path, signal))
          contents.push(path, await contentOf(tree, base, signal));
      } catch (error) {
        // The step itself says what is missing, and where.
        if (error instanceof EngineError && error.kind === "not-found") return undefined;
        throw error;
      }
    }
    return [...said, contents];
  }
}

const digest = (parts: unknown[]): string =>
  createHash("sha256")
    .update(JSON.stringify(["recipe", RECIPE_VERSION, ...parts]))
    .digest("hex");
