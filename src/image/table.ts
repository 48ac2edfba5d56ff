import { type Digest, parseDigest } from "../content/index.ts";
import type { Store } from "../store/index.ts";
import type { Attestation } from "./attestation.ts";
import { type ImageDocument, parseImageDocument } from "./image-config.ts";
import type { Settling } from "./settling.ts";

/** An image as its rows have it. */
export interface ImageRecord {
  readonly id: Digest;
  readonly document: ImageDocument;
  readonly manifestDigest: Digest;
  /** Of the top layer; undefined without layers. */
  readonly chainId: string | undefined;
  /** Sum of the layers' files. */
  readonly sizeBytes: number;
  readonly taggedAt: string;
  /** Base first. */
  readonly layers: readonly ImageLayer[];
  /** Full names with tag, sorted. */
  readonly names: readonly string[];
  /** What registries call it, sorted. */
  readonly digests: readonly RepositoryDigest[];
}

export interface RepositoryDigest {
  /** "docker.io/library/busybox" */
  readonly repository: string;
  /** Of its manifest, or of an index that has it. */
  readonly digest: string;
}

export interface ImageLayer {
  readonly diffId: Digest;
  readonly chainId: Digest;
  readonly sizeBytes: number;
  readonly blobDigest: Digest;
  readonly blobBytes: number;
  readonly mediaType: string;
}

export type LayerBlob = Pick<ImageLayer, "blobDigest" | "blobBytes" | "mediaType">;

const WANTED_MS = 7 * 24 * 3600 * 1000;

/** The rows of images. Records are parsed once and kept, since list and inspect ask for them all the time. */
export class ImageTable {
  readonly #store: Store;
  readonly #settling: Settling;
  readonly #documents = new Map<string, ImageDocument>();

  constructor(store: Store, settling: Settling) {
    this.#store = store;
    this.#settling = settling;
  }

  find(id: string): ImageRecord | undefined {
    const row = this.#store.database
      .prepare("SELECT id, config, manifest_digest, chain_id, size_bytes, tagged_at FROM image WHERE id = ?")
      .get(id);
    return row === undefined || row === null ? undefined : this.#record(row);
  }

  list(): ImageRecord[] {
    return this.#store.database
      .prepare("SELECT id, config, manifest_digest, chain_id, size_bytes, tagged_at FROM image")
      .all()
      .map((row) => this.#record(row));
  }

  /** Ids that begin with these hexadecimal digits, at most two of them: one is an answer, two are ambiguous. */
  idsWithPrefix(hexPrefix: string): string[] {
    return this.#store.database
      .prepare("SELECT id FROM image WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2")
      .all(`sha256:${hexPrefix}`)
      .map((row) => String(row.id));
  }

  idByName(name: string): string | undefined {
    const row = this.#store.database.prepare("SELECT image_id FROM image_name WHERE name = ?").get(name);
    return row === undefined || row === null ? undefined : String(row.image_id);
  }

  /** Write the image with its layers; one that is there already keeps its rows. */
  insert(image: { id: Digest; config: string; manifestDigest: Digest; layers: readonly ImageLayer[] }): void {
    const { database } = this.#store;
    const written = database
      .prepare(
        `INSERT INTO image (id, config, manifest_digest, chain_id, size_bytes, tagged_at)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      )
      .run(
        image.id,
        image.config,
        image.manifestDigest,
        image.layers.at(-1)?.chainId ?? null,
        image.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
        new Date().toISOString(),
      );
    if (Number(written.changes) === 0) return;
    const insertLayer = database.prepare(
      `INSERT INTO image_layer
         (image_id, position, diff_id, chain_id, size_bytes, blob_digest, blob_bytes, media_type)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    for (const [position, layer] of image.layers.entries()) {
      insertLayer.run(
        image.id,
        position,
        layer.diffId,
        layer.chainId,
        layer.sizeBytes,
        layer.blobDigest,
        layer.blobBytes,
        layer.mediaType,
      );
    }
    this.#settling.note(image.id);
  }

  /** Let an image be made of other blobs, of the same layers. */
  replaceBlobs(id: string, manifestDigest: Digest, layers: readonly ImageLayer[]): void {
    const { database } = this.#store;
    database.prepare("UPDATE image SET manifest_digest = ? WHERE id = ?").run(manifestDigest, id);
    const update = database.prepare(
      "UPDATE image_layer SET blob_digest = ?, blob_bytes = ?, media_type = ? WHERE image_id = ? AND position = ?",
    );
    for (const [position, layer] of layers.entries())
      update.run(layer.blobDigest, layer.blobBytes, layer.mediaType, id, position);
    this.#settling.note(id);
  }

  /** A compressed blob of this layer that some image has. */
  compressedBlobOf(diffId: string): LayerBlob | undefined {
    return this.#blobOf(diffId, "AND media_type NOT LIKE '%.tar'");
  }

  /** A blob of this layer that some image has. */
  blobOf(diffId: string): LayerBlob | undefined {
    return this.#blobOf(diffId, "");
  }

  #blobOf(diffId: string, condition: string): LayerBlob | undefined {
    const row = this.#store.database
      .prepare(
        `SELECT blob_digest, blob_bytes, media_type FROM image_layer
         WHERE diff_id = ? ${condition} ORDER BY blob_digest LIMIT 1`,
      )
      .get(diffId);
    if (row === undefined || row === null) return undefined;
    return {
      blobDigest: parseDigest(String(row.blob_digest)),
      blobBytes: Number(row.blob_bytes),
      mediaType: String(row.media_type),
    };
  }

  /** Let this be said of the image, and nothing else. */
  setAttestation(id: string, { manifest, manifestBytes, blobs }: Attestation): void {
    this.dropAttestation(id);
    const { database } = this.#store;
    const insert = database.prepare(
      "INSERT INTO image_attestation (image_id, position, digest, size_bytes) VALUES (?, ?, ?, ?)",
    );
    insert.run(id, 0, manifest, manifestBytes);
    for (const [at, digest] of blobs.entries()) insert.run(id, at + 1, digest, 0);
  }

  dropAttestation(id: string): void {
    this.#store.database.prepare("DELETE FROM image_attestation WHERE image_id = ?").run(id);
  }

  attestationOf(id: string): Attestation | undefined {
    const rows = this.#store.database
      .prepare("SELECT digest, size_bytes FROM image_attestation WHERE image_id = ? ORDER BY position")
      .all(id);
    const [first, ...blobs] = rows;
    if (first === undefined) return undefined;
    return {
      manifest: parseDigest(String(first.digest)),
      manifestBytes: Number(first.size_bytes),
      blobs: blobs.map(({ digest }) => parseDigest(String(digest))),
    };
  }

  findByManifest(manifestDigest: string): ImageRecord | undefined {
    const row = this.#store.database
      .prepare("SELECT id FROM image WHERE manifest_digest = ? LIMIT 1")
      .get(manifestDigest);
    return row === undefined || row === null ? undefined : this.find(String(row.id));
  }

  delete(id: string): void {
    this.#store.database.prepare("DELETE FROM image WHERE id = ?").run(id);
    this.#store.afterCommit(() => this.#documents.delete(id));
  }

  /** Give the name to this image, taking it from any other. */
  setName(name: string, id: string): void {
    this.#store.database
      .prepare(
        "INSERT INTO image_name (name, image_id) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET image_id = ?2",
      )
      .run(name, id);
    this.#store.database
      .prepare("UPDATE image SET tagged_at = ? WHERE id = ?")
      .run(new Date().toISOString(), id);
  }

  deleteName(name: string): void {
    this.#store.database.prepare("DELETE FROM image_name WHERE name = ?").run(name);
  }

  /** Every name of a repository ("docker.io/library/busybox"), with its image. */
  namesOf(repository: string): { name: string; imageId: string }[] {
    return this.#store.database
      .prepare(
        "SELECT name, image_id FROM image_name WHERE name > ?1 || ':' AND name < ?1 || ';' ORDER BY name",
      )
      .all(repository)
      .map((row) => ({ name: String(row.name), imageId: String(row.image_id) }));
  }

  /** Let REPOSITORY@DIGEST name this image. */
  setDigest(repository: string, digest: string, id: string): void {
    this.#store.database
      .prepare(
        `INSERT INTO image_digest (repository, digest, image_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository, digest) DO UPDATE SET image_id = ?3`,
      )
      .run(repository, digest, id);
  }

  deleteDigest(repository: string, digest: string): void {
    this.#store.database
      .prepare("DELETE FROM image_digest WHERE repository = ? AND digest = ?")
      .run(repository, digest);
  }

  idByDigest(repository: string, digest: string): string | undefined {
    const row = this.#store.database
      .prepare("SELECT image_id FROM image_digest WHERE repository = ? AND digest = ?")
      .get(repository, digest);
    return row === undefined || row === null ? undefined : String(row.image_id);
  }

  /** Keep these blobs for a week although no image speaks for them: a pull is on its way, or was cut off. */
  want(digests: readonly string[]): void {
    const insert = this.#store.database.prepare(
      "INSERT INTO blob_wanted (digest, since_ms) VALUES (?1, ?2) ON CONFLICT (digest) DO UPDATE SET since_ms = ?2",
    );
    for (const digest of digests) insert.run(digest, Date.now());
  }

  unwant(digests: readonly string[]): void {
    const remove = this.#store.database.prepare("DELETE FROM blob_wanted WHERE digest = ?");
    for (const digest of digests) remove.run(digest);
  }

  /** Nothing is wanted any more. */
  unwantAll(): void {
    this.#store.database.exec("DELETE FROM blob_wanted");
  }

  /** Blobs that were wanted before `timeMs`, and that no image has. */
  wantedBefore(timeMs: number): Digest[] {
    return this.#store.database
      .prepare("SELECT digest FROM blob_wanted WHERE since_ms < ?")
      .all(timeMs)
      .map((row) => parseDigest(String(row.digest)))
      .filter((digest) => !this.isBlobUsed(digest));
  }

  /** Whether a plain layer of as many bytes is here, and so in all likelihood this one. */
  hasPlainLayerOf(bytes: number): boolean {
    const row = this.#store.database
      .prepare(
        "SELECT EXISTS (SELECT 1 FROM image_layer WHERE blob_bytes = ? AND media_type LIKE '%.tar') AS found",
      )
      .get(bytes);
    return Number(row?.found) === 1;
  }

  isWanted(digest: string): boolean {
    const row = this.#store.database.prepare("SELECT since_ms FROM blob_wanted WHERE digest = ?").get(digest);
    return row !== undefined && row !== null && Number(row.since_ms) > Date.now() - WANTED_MS;
  }

  /** Remember that a registry has blobs in a repository, so that others there can be given them without an upload. */
  addSources(repository: string, digests: readonly string[]): void {
    const insert = this.#store.database.prepare(
      "INSERT INTO blob_source (digest, repository) VALUES (?, ?) ON CONFLICT DO NOTHING",
    );
    for (const digest of digests) insert.run(digest, repository);
  }

  sourcesOf(digest: string): string[] {
    return this.#store.database
      .prepare("SELECT repository FROM blob_source WHERE digest = ? ORDER BY repository LIMIT 16")
      .all(digest)
      .map((row) => String(row.repository));
  }

  forgetSources(digest: string): void {
    this.#store.database.prepare("DELETE FROM blob_source WHERE digest = ?").run(digest);
  }

  /** Whether an image is made of this blob: its config, manifest or a layer. */
  isBlobUsed(digest: string): boolean {
    const row = this.#store.database
      .prepare(
        `SELECT EXISTS (SELECT 1 FROM image WHERE id = ?1)
             OR EXISTS (SELECT 1 FROM image WHERE manifest_digest = ?1)
             OR EXISTS (SELECT 1 FROM image_layer WHERE blob_digest = ?1)
             OR EXISTS (SELECT 1 FROM image_attestation WHERE digest = ?1)
             OR EXISTS (SELECT 1 FROM image_digest WHERE digest = ?1) AS used`,
      )
      .get(digest);
    return Number(row?.used) === 1;
  }

  isChainUsed(chainId: string): boolean {
    const row = this.#store.database
      .prepare("SELECT EXISTS (SELECT 1 FROM image_layer WHERE chain_id = ?) AS used")
      .get(chainId);
    return Number(row?.used) === 1;
  }

  #record(row: Record<string, unknown>): ImageRecord {
    const id = parseDigest(String(row.id));
    return {
      id,
      document: this.#document(id, String(row.config)),
      manifestDigest: parseDigest(String(row.manifest_digest)),
      chainId: typeof row.chain_id === "string" ? row.chain_id : undefined,
      sizeBytes: Number(row.size_bytes),
      taggedAt: String(row.tagged_at),
      layers: this.#layers(id),
      names: this.#store.database
        .prepare("SELECT name FROM image_name WHERE image_id = ? ORDER BY name")
        .all(id)
        .map((name) => String(name.name)),
      digests: this.#store.database
        .prepare("SELECT repository, digest FROM image_digest WHERE image_id = ? ORDER BY repository, digest")
        .all(id)
        .map((one) => ({ repository: String(one.repository), digest: String(one.digest) })),
    };
  }

  #document(id: string, config: string): ImageDocument {
    const known = this.#documents.get(id);
    if (known !== undefined) return known;
    const document = parseImageDocument(config);
    this.#documents.set(id, document);
    return document;
  }

  #layers(id: string): ImageLayer[] {
    return this.#store.database
      .prepare(
        `SELECT diff_id, chain_id, size_bytes, blob_digest, blob_bytes, media_type
         FROM image_layer WHERE image_id = ? ORDER BY position`,
      )
      .all(id)
      .map((row) => ({
        diffId: parseDigest(String(row.diff_id)),
        chainId: parseDigest(String(row.chain_id)),
        sizeBytes: Number(row.size_bytes),
        blobDigest: parseDigest(String(row.blob_digest)),
        blobBytes: Number(row.blob_bytes),
        mediaType: String(row.media_type),
      }));
  }
}
