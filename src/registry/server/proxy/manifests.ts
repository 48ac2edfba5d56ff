import { RegistryError } from "../errors.ts";
import { MAX_MANIFEST_BYTES, parseManifest } from "../manifest-document.ts";
import { algorithmOf, type BlobDigest, digestOf, isDigest, type ManifestReference } from "../names.ts";
import type { RegistryStorage } from "../storage/storage.ts";
import { readSmall, type Upstream, UpstreamUnavailable } from "./upstream.ts";

const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Keeps the manifests and tags that were asked for as upstream has them. */
export class ManifestMirror {
  readonly #upstream: Upstream;
  readonly #storage: RegistryStorage;
  readonly #freshMs: number;
  readonly #closing: AbortSignal;
  /** One question at a time about one reference; others wait for its answer. */
  readonly #asking = new Map<string, Promise<"hit" | "miss">>();

  constructor(upstream: Upstream, storage: RegistryStorage, freshMs: number, closing: AbortSignal) {
    this.#upstream = upstream;
    this.#storage = storage;
    this.#freshMs = freshMs;
    this.#closing = closing;
  }

  /** "hit" when what is here is right, "miss" when it had to be fetched or upstream has none. Throws UpstreamUnavailable, DENIED. */
  refresh(repository: string, reference: ManifestReference): Promise<"hit" | "miss"> {
    const key = `${repository} ${"tag" in reference ? reference.tag : reference.digest}`;
    const known = this.#asking.get(key);
    if (known !== undefined) return known;
    const asked = this.#refresh(repository, reference).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  async #refresh(repository: string, reference: ManifestReference): Promise<"hit" | "miss"> {
    const here = this.#storage.manifests.find(repository, reference);
    if ("digest" in reference) {
      if (here === undefined) await this.#fetch(repository, reference.digest, undefined);
      return here === undefined ? "miss" : "hit";
    }
    if (here !== undefined && this.#isFresh(repository, reference.tag)) return "hit";
    const current = await this.#currentDigest(repository, reference.tag, here?.digest);
    if (current === "unknown") {
      this.#storage.manifests.delete(repository, reference);
      return "miss";
    }
    const isHere =
      current !== undefined && this.#storage.manifests.find(repository, { digest: current }) !== undefined;
    if (current !== undefined && isHere) {
      this.#storage.store.transaction(() => {
        this.#storage.manifests.moveTag(repository, reference.tag, current);
        this.#confirm(repository, reference.tag);
      });
      return here?.digest === current ? "hit" : "miss";
    }
    await this.#fetch(repository, current ?? reference.tag, reference.tag);
    return "miss";
  }

  /** What upstream's tag stands for: a cheap question, which public registries do not count as a pull. undefined when it does not say. */
  async #currentDigest(repository: string, tag: string, here: BlobDigest | undefined) {
    const headers = { accept: ACCEPT, ...(here === undefined ? {} : { "if-none-match": `"${here}"` }) };
    const answer = await this.#upstream.request(
      "HEAD",
      repository,
      `/manifests/${tag}`,
      headers,
      this.#closing,
    );
    if (answer.status === 404) return "unknown";
    if (answer.status === 304) return here;
    const digest = answer.headers.get("docker-content-digest") ?? "";
    return isDigest(digest) ? digest : undefined;
  }

  /** Fetch by tag or digest, verify, and store; with `tag`, let that stand for it. */
  async #fetch(repository: string, reference: string, tag: string | undefined): Promise<void> {
    const path = `/manifests/${reference}`;
    const answer = await this.#upstream.request("GET", repository, path, { accept: ACCEPT }, this.#closing);
    if (answer.status === 404) {
      await answer.body?.cancel();
      return;
    }
    const content = await readSmall(answer, MAX_MANIFEST_BYTES);
    const digest = digestOf(content, isDigest(reference) ? algorithmOf(reference) : "sha256");
    if (isDigest(reference) && digest !== reference) {
      throw new UpstreamUnavailable(`the registry behind this cache sent another manifest than ${reference}`);
    }
    const document = parsed(content, answer.headers.get("content-type") ?? undefined);
    const { store, repositories, manifests } = this.#storage;
    store.transaction(() => {
      manifests.put(
        repositories.ensure(repository),
        {
          digest,
          content,
          mediaType: document.mediaType,
          artifactType: document.artifactType,
          subject: document.subject,
          annotations: document.annotations,
          references: [...document.blobs, ...document.manifests].map((needed) => needed.digest),
        },
        tag === undefined ? [] : [tag],
      );
      if (tag !== undefined) this.#confirm(repository, tag);
    });
  }

  #isFresh(repository: string, tag: string): boolean {
    const row = this.#storage.store.database
      .prepare("SELECT checked_at FROM upstream_tag WHERE repository = ? AND name = ?")
      .get(repository, tag);
    return Date.now() - Number(row?.checked_at ?? 0) < this.#freshMs;
  }

  #confirm(repository: string, tag: string): void {
    this.#storage.store.database
      .prepare(
        `INSERT INTO upstream_tag (repository, name, checked_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET checked_at = ?3`,
      )
      .run(repository, tag, Date.now());
  }
}

/** What upstream sends is checked like a push; what does not pass is its fault, not the client's. */
function parsed(content: Uint8Array, contentType: string | undefined) {
  try {
    return parseManifest(content, contentType);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    throw new UpstreamUnavailable(
      `the registry behind this cache sent something else: ${error.message}`,
      error,
    );
  }
}
