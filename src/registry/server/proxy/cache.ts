import { once } from "node:events";
import { messageOf } from "../../../errors/index.ts";
import type { Log } from "../../../log/index.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "../../retry.ts";
import { blobHeaders, unknownBlob } from "../http/blob-headers.ts";
import type { Exchange } from "../http/exchange.ts";
import { MAX_MANIFEST_BYTES } from "../manifest-document.ts";
import type { Metrics } from "../metrics.ts";
import { algorithmOf, type BlobDigest, type ManifestReference } from "../names.ts";
import type { Page, Paged } from "../storage/rows.ts";
import type { RegistryStorage } from "../storage/storage.ts";
import { blobBody } from "./blob-body.ts";
import { Download } from "./download.ts";
import { evictFor } from "./evict.ts";
import { ManifestMirror } from "./manifests.ts";
import { readSmall, Upstream, type UpstreamOptions, UpstreamUnavailable } from "./upstream.ts";

/** Of a pass-through or of a reader of a download. */
const BUFFER_BYTES = 1 << 18;

/** A download with the repository that asked first, and all that are to have the blob. */
interface Flight {
  readonly by: string;
  readonly for: Set<string>;
  readonly started: Promise<Download | undefined>;
}

/** Serves another registry's content, and keeps what it served. What is kept is served also while that registry is down. */
export class PullThroughCache implements AsyncDisposable {
  readonly #upstream: Upstream;
  readonly #storage: RegistryStorage;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #retry: RetryPolicy;
  readonly #mirror: ManifestMirror;
  readonly #closing = new AbortController();
  /** One download a blob, however many ask for it. */
  readonly #downloads = new Map<BlobDigest, Flight>();
  /** For the end of the cache to wait for. */
  readonly #running = new Set<Promise<void>>();

  constructor(options: UpstreamOptions, storage: RegistryStorage, metrics: Metrics, log: Log) {
    this.#upstream = new Upstream(options);
    this.#storage = storage;
    this.#metrics = metrics;
    this.#log = log;
    this.#retry = options.retry ?? DEFAULT_RETRY;
    this.#mirror = new ManifestMirror(this.#upstream, storage, options.freshMs, this.#closing.signal);
  }

  /**
   * Bring a manifest here, or make sure that a tag still stands for the one that is here. "stale" when upstream could
   * not be asked. When upstream has none, none is here afterwards. Throws UNAVAILABLE when there is nothing to serve.
   */
  async refreshManifest(repository: string, reference: ManifestReference): Promise<"fresh" | "stale"> {
    try {
      const known = await this.#mirror.refresh(repository, reference);
      this.#count("manifest", known);
      return "fresh";
    } catch (error) {
      const isHere = this.#storage.manifests.find(repository, reference) !== undefined;
      if (!(error instanceof UpstreamUnavailable) || !isHere) throw error;
      this.#count("manifest", "stale");
      this.#log.warn(`served from the cache: ${error.message}`, { repository });
      return "stale";
    }
  }

  /** Answer with a blob that the repository does not have here yet. Throws BLOB_UNKNOWN. */
  async sendBlob(exchange: Exchange, repository: string, digest: BlobDigest): Promise<"sent" | "stored"> {
    if (await this.#knownElsewhere(repository, digest)) return "stored";
    if (exchange.method === "HEAD") {
      await this.#sendHead(exchange, repository, digest);
      return "sent";
    }
    const download = await this.#download(repository, digest);
    if (download === undefined) await this.#passThrough(exchange, repository, digest);
    else if (!download.attach()) return "stored";
    else
      await sendStream(exchange, digest, download.sizeBytes, download.read(Buffer.allocUnsafe(BUFFER_BYTES)));
    return "sent";
  }

  /** A blob that came through another repository is given to this one when upstream has it there, too. */
  async #knownElsewhere(repository: string, digest: BlobDigest): Promise<boolean> {
    if (this.#storage.blobs.sizeOf(digest) === undefined) return false;
    await this.#askForBlob("HEAD", repository, digest, this.#closing.signal);
    this.#link([repository], digest);
    return true;
  }

  async #askForBlob(
    method: "GET" | "HEAD",
    repository: string,
    digest: BlobDigest,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const answer = await this.#upstream.request(method, repository, `/blobs/${digest}`, headers, signal);
    if (answer.status !== 404) return answer;
    await answer.body?.cancel();
    throw unknownBlob(digest);
  }

  async #sendHead({ response, gone }: Exchange, repository: string, digest: BlobDigest): Promise<void> {
    const answer = await this.#askForBlob("HEAD", repository, digest, gone);
    response.writeHead(200, { ...blobHeaders(digest), "Content-Length": lengthOf(answer) }).end();
  }

  /** The download under way, or a new one; undefined when the blob cannot be kept. */
  async #download(repository: string, digest: BlobDigest): Promise<Download | undefined> {
    const known = this.#downloads.get(digest);
    if (known === undefined) {
      const wanted = new Set([repository]);
      const started = this.#start(repository, digest, wanted);
      this.#downloads.set(digest, { by: repository, started, for: wanted });
      return started;
    }
    // Another repository's download: this one gets the blob when upstream has it there, too.
    if (!known.for.has(repository)) {
      const answer = await this.#askForBlob("HEAD", repository, digest, this.#closing.signal);
      await answer.body?.cancel();
      if (this.#downloads.get(digest) === known) known.for.add(repository);
      else this.#link([repository], digest);
    }
    try {
      return await known.started;
    } catch (error) {
      // What another repository was refused says nothing about this one.
      if (known.by === repository) throw error;
      return this.#download(repository, digest);
    }
  }

  /** Give a blob to repositories, if it is here. */
  #link(names: Iterable<string>, digest: BlobDigest): void {
    const { store, blobs, repositories } = this.#storage;
    store.transaction(() => {
      if (blobs.sizeOf(digest) === undefined) return;
      for (const name of names) blobs.link(repositories.ensure(name), digest);
    });
  }

  async #start(
    repository: string,
    digest: BlobDigest,
    wanted: ReadonlySet<string>,
  ): Promise<Download | undefined> {
    const { uploads } = this.#storage;
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closing.signal]);
    let isRunning = false;
    try {
      const answer = await this.#askForBlob("GET", repository, digest, signal);
      const sizeBytes = lengthOf(answer);
      if (answer.body === null || !evictFor(sizeBytes, this.#storage)) {
        await answer.body?.cancel();
        return undefined;
      }
      this.#count("blob", "miss");
      const upload = await uploads.take(repository, uploads.begin(repository, algorithmOf(digest)));
      const ask = (headers: Readonly<Record<string, string>>) =>
        this.#askForBlob("GET", repository, digest, signal, headers);
      const body = blobBody(answer, { digest, sizeBytes }, ask, this.#retry, signal);
      const { download, done } = await Download.start(upload, digest, sizeBytes, body, stop);
      const running = this.#finish(done, digest, wanted);
      this.#running.add(running);
      running.finally(() => this.#running.delete(running));
      isRunning = true;
      return download;
    } finally {
      if (!isRunning) this.#downloads.delete(digest);
    }
  }

  /** When the bytes are here, link them to every repository that waited for them. */
  async #finish(done: Promise<void>, digest: BlobDigest, wanted: ReadonlySet<string>): Promise<void> {
    try {
      await done;
      this.#link(wanted, digest);
    } catch (error) {
      this.#log.error(`a download could not be kept: ${messageOf(error)}`, { digest });
    } finally {
      this.#downloads.delete(digest);
    }
  }

  /** Larger than the whole quota: from upstream to the client, nothing kept. */
  async #passThrough(exchange: Exchange, repository: string, digest: BlobDigest): Promise<void> {
    const { gone } = exchange;
    const answer = await this.#askForBlob("GET", repository, digest, gone);
    const sizeBytes = lengthOf(answer);
    const ask = (headers: Readonly<Record<string, string>>) =>
      this.#askForBlob("GET", repository, digest, gone, headers);
    const body = blobBody(answer, { digest, sizeBytes }, ask, this.#retry, gone);
    await sendStream(exchange, digest, sizeBytes, body);
  }

  /** A page of upstream's tags; undefined when it cannot be asked. */
  async tags(
    repository: string,
    { limit, after }: Page,
    signal: AbortSignal,
  ): Promise<Paged<string> | undefined> {
    const query = new URLSearchParams({ n: String(limit), ...(after === undefined ? {} : { last: after }) });
    const answer = await this.#list(repository, `/tags/list?${query}`, signal);
    if (answer === undefined) return undefined;
    const tags = "tags" in answer.body && Array.isArray(answer.body.tags) ? answer.body.tags : [];
    return { items: tags.filter((tag) => typeof tag === "string"), more: answer.next !== undefined };
  }

  /** Upstream's answer about referrers; undefined when it cannot be asked or does not know the question. */
  async referrers(repository: string, digest: BlobDigest, query: URLSearchParams, signal: AbortSignal) {
    const answer = await this.#list(repository, `/referrers/${digest}?${query}`, signal);
    if (answer === undefined) return undefined;
    const applied = answer.headers.get("oci-filters-applied");
    return {
      index: answer.body,
      headers: {
        "Content-Type": "application/vnd.oci.image.index.v1+json",
        ...(applied === null ? {} : { "OCI-Filters-Applied": applied }),
        ...(answer.next === undefined
          ? {}
          : { Link: `</v2/${repository}/referrers/${digest}?${answer.next}>; rel="next"` }),
      },
    };
  }

  async #list(repository: string, path: string, signal: AbortSignal) {
    try {
      const answer = await this.#upstream.request("GET", repository, path, {}, signal);
      const bytes = await readSmall(answer, MAX_MANIFEST_BYTES);
      if (answer.status === 404) return undefined;
      const body: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
      if (typeof body !== "object" || body === null) return undefined;
      const [, next] = /<[^>?]*\?([^>]*)>\s*;\s*rel="?next"?/.exec(answer.headers.get("link") ?? "") ?? [];
      return { body, next, headers: answer.headers };
    } catch (error) {
      if (!(error instanceof UpstreamUnavailable || error instanceof SyntaxError)) throw error;
      this.#log.warn(`answered from the cache: ${error.message}`, { repository });
      return undefined;
    }
  }

  #count(what: "manifest" | "blob", outcome: "hit" | "miss" | "stale"): void {
    this.#metrics.add("proxy_total", "Content asked of the pull-through cache.", { what, outcome });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
  }
}

/** Throws UNAVAILABLE when the answer does not tell. */
function lengthOf(answer: Response): number {
  const text = answer.headers.get("content-length") ?? "";
  if (!/^\d{1,15}$/.test(text))
    throw new UpstreamUnavailable("the registry behind this cache tells no length of a blob");
  return Number(text);
}

async function sendStream(
  { response, gone }: Exchange,
  digest: BlobDigest,
  sizeBytes: number,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  response.writeHead(200, { ...blobHeaders(digest), "Content-Length": sizeBytes });
  response.flushHeaders();
  const lost = gone.aborted ? Promise.resolve() : once(gone, "abort");
  for await (const piece of bytes) {
    if (gone.aborted) return;
    const written = new Promise<void>((resolve) => response.write(piece, () => resolve()));
    await Promise.race([written, lost]);
  }
  response.end();
}
