import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { zstdCompressSync } from "node:zlib";
import { type TarMember, writeTar } from "../archive/index.ts";
import { digestOf, openContentStore } from "../content/index.ts";
import { createEventLog } from "../events/index.ts";
import type { Log } from "../log/index.ts";
import { sourceTreeShimPath } from "../platform/index.ts";
import { createFolderQuotas, quotaMigrations } from "../quota/index.ts";
import { RegistryNetwork } from "../registry/index.ts";
import { createOverlaySnapshotter, snapshotMigrations } from "../snapshot/index.ts";
import { openStore } from "../store/index.ts";
import type { ImageConfig, ProgressMessage } from "../wire/index.ts";
import { createImageService, type ImageServiceOptions, type ImageUse, imageMigrations } from "./index.ts";

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** An image service on a folder of its own, for tests. Disposing removes everything. */
export async function openTestEngine(overrides: Partial<ImageServiceOptions> = {}, folder = tmpdir()) {
  const root = mkdtempSync(join(folder, "gantry-image-"));
  const store = openStore(join(root, "db"), [...snapshotMigrations, ...quotaMigrations, ...imageMigrations]);
  const content = await openContentStore(join(root, "content"));
  const shim = sourceTreeShimPath();
  const quotas = createFolderQuotas({ store, root, shim });
  const snapshotter = await createOverlaySnapshotter({ store, root: join(root, "snapshots"), quotas });
  const events = createEventLog();
  const uses = new Map<string, ImageUse[]>();
  const published: string[] = [];
  const images = createImageService({
    store,
    content,
    snapshotter,
    shim,
    folder: root,
    log: SILENT,
    usedBy: (id) => uses.get(id) ?? [],
    builtins: [],
    registries: new RegistryNetwork({
      rules: { mirrors: [], insecure: [] },
      environment: {},
      retry: { attempts: 4, firstDelayMs: 5, maxDelayMs: 2_000 },
    }),
    ...overrides,
    events: {
      ...events,
      publish: (event) => {
        published.push(event.Action);
        events.publish(event);
      },
    },
  });
  return {
    root,
    images,
    store,
    snapshotter,
    content,
    uses,
    published,
    load: async (archive: Readable | Uint8Array) =>
      texts(images.load(archive instanceof Readable ? archive : Readable.from([archive]), never)),
    save: async (...references: string[]) =>
      Buffer.concat(await Array.fromAsync(await images.save(references, never))),
    /** What is on disk: a refused archive must leave it as it was. */
    trace: () => ({
      blobs: readdirSync(join(root, "content/blobs/sha256")).length,
      ingests: readdirSync(join(root, "content/ingest")).length,
      snapshots: readdirSync(join(root, "snapshots")).length,
      images: store.database.prepare("SELECT count(*) AS n FROM image").get()?.n,
    }),
    [Symbol.dispose]() {
      images[Symbol.dispose]();
      store[Symbol.dispose]();
      if (existsSync(root)) rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A signal for calls that a test lets run to their end. */
export const never = new AbortController().signal;

export async function texts(messages: AsyncIterable<ProgressMessage>): Promise<string[]> {
  return (await Array.fromAsync(messages)).map(({ stream, status }) => stream ?? status ?? "");
}

export function textFile(path: string, text: string | Uint8Array): TarMember {
  const bytes = Buffer.from(text);
  return {
    type: "file",
    path,
    sizeBytes: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

export async function tarOf(...members: TarMember[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(writeTar(members)));
}

/** A layer of few bytes that unpacks to over a gibibyte: frames of zeros behind its end. */
export function bombOf(tar: Uint8Array): Buffer {
  const zeros = zstdCompressSync(Buffer.alloc(64 << 20));
  return Buffer.concat([zstdCompressSync(tar), ...Array.from({ length: 17 }, () => zeros)]);
}

export interface TestImage {
  readonly layers: readonly Uint8Array[];
  readonly names: readonly string[];
  readonly config?: ImageConfig;
  readonly created?: string;
  /** Instead of the layers' own digests. */
  readonly diffIds?: readonly string[];
}

/** The config of an image, and its id. */
export function configOf(image: TestImage): { text: string; id: string } {
  const text = JSON.stringify({
    created: image.created ?? "2024-05-06T07:08:09Z",
    architecture: "amd64",
    os: "linux",
    config: image.config ?? {},
    rootfs: { type: "layers", diff_ids: image.diffIds ?? image.layers.map((layer) => digestOf(layer)) },
    history: image.layers.map((_, at) => ({ created: "2024-05-06T07:08:09Z", created_by: `step ${at}` })),
  });
  return { text, id: digestOf(text) };
}

/** A docker-archive of the classic layout, its manifest at the end as `docker save` writes it. */
export async function dockerArchive(...images: TestImage[]): Promise<Buffer> {
  const members: TarMember[] = [];
  const manifest = images.map((image) => {
    const { text, id } = configOf(image);
    const name = `${id.slice(7)}.json`;
    const layers = image.layers.map((layer, at) => {
      const path = `${digestOf(`${id}${at}`).slice(7)}/layer.tar`;
      members.push(textFile(path, layer));
      return path;
    });
    members.push(textFile(name, text));
    return { Config: name, RepoTags: image.names.length === 0 ? null : image.names, Layers: layers };
  });
  return tarOf(...members, textFile("manifest.json", JSON.stringify(manifest)));
}
