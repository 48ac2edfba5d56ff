import { internal } from "../../errors/index.ts";
import type { BuildContext } from "../dependencies.ts";
import type { BuildRequest } from "../service.ts";
import type { SourceTree } from "../steps/source-tree.ts";
import { takeNamedContext } from "./incoming.ts";
import { isContextOfFiles } from "./named.ts";

/** The files of all contexts of a build, until it ends. */
export class ContextTrees implements AsyncDisposable {
  readonly #trees: ReadonlyMap<string, SourceTree>;
  readonly #owned: AsyncDisposable;

  private constructor(trees: ReadonlyMap<string, SourceTree>, owned: AsyncDisposable) {
    this.#trees = trees;
    this.#owned = owned;
  }

  /** With the build's own context, which stays its taker's to dispose. Throws invalid, or not-found for one that is not there. */
  static async take(
    context: BuildContext,
    { namedContexts }: BuildRequest,
    own: SourceTree,
    signal: AbortSignal,
  ): Promise<ContextTrees> {
    await using undo = new AsyncDisposableStack();
    const trees = new Map([["", own]]);
    for (const [name, source] of namedContexts)
      if (isContextOfFiles(source))
        trees.set(name, undo.use(await takeNamedContext(context, source, signal)).tree);
    return new ContextTrees(trees, undo.move());
  }

  /** "" is the build's own. */
  named(name: string): SourceTree {
    const tree = this.#trees.get(name);
    if (tree === undefined) throw internal(`the build context ${name} was not taken in`);
    return tree;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#owned[Symbol.asyncDispose]();
  }
}
