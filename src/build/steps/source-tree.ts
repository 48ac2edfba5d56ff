import {
  digestFiles,
  type FileEntry,
  type ListedTree,
  listTree,
  type SnapshotMount,
  statTree,
} from "../../snapshot/index.ts";

/** Bytes of a text as the trees' names have them: one character each. */
export const byteName = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** A tree that files are taken from during a build; what was looked at once is remembered, for it does not change. */
export class SourceTree {
  readonly mount: SnapshotMount;
  readonly #shim: string;
  readonly #listed = new Map<string, Promise<ListedTree>>();
  readonly #digests: Map<string, string>;

  /** `digests` are those of files that are known already, SHA-256 by true name. */
  constructor(shim: string, mount: SnapshotMount, digests: ReadonlyMap<string, string> = new Map()) {
    this.#shim = shim;
    this.mount = mount;
    this.#digests = new Map(digests);
  }

  /** What lies at a place, links followed. */
  list(base: string, signal: AbortSignal): Promise<ListedTree> {
    const known = this.#listed.get(base);
    if (known !== undefined) return known;
    const listed = listTree(this.#shim, this.mount, [base], signal).then(
      ([tree]) => tree ?? { base, entries: [] },
    );
    this.#listed.set(base, listed);
    return listed;
  }

  /** The entry at a place, links followed; undefined when nothing is there. */
  async stat(base: string, signal: AbortSignal): Promise<FileEntry | undefined> {
    const [found] = await statTree(this.#shim, this.mount, [base], signal);
    return found?.entries[0];
  }

  /** Digests of files by their true names. */
  async digests(paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const missing = paths.filter((path) => !this.#digests.has(path));
    const found = await digestFiles(this.#shim, this.mount, missing, signal);
    for (const [at, path] of missing.entries()) this.#digests.set(path, found[at] ?? "");
    return this.#digests;
  }
}
