import { createHash } from "node:crypto";
import { createReadStream, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { extract, type Header } from "tar-stream";

/** A file of an image as text, one fact after the other: what is compared. */
export type ImageTree = ReadonlyMap<string, FileFacts>;

export interface FileFacts {
  readonly type: string;
  /** Octal. */
  readonly mode: string;
  /** "UID:GID" */
  readonly owner: string;
  /** Of a file's content, a link's target, a device's numbers. */
  readonly content: string;
  /** Extended attributes, in hexadecimal. */
  readonly attributes: Readonly<Record<string, string>>;
  /** In seconds since 1970. */
  readonly mtime: number;
  /** Other names of the same file. */
  readonly twins: readonly string[];
}

interface Entry extends Omit<FileFacts, "twins"> {
  readonly name: string;
  /** The first name of a hard link. */
  readonly sameAs: string | undefined;
}

/** Documents of an image (OCI image-spec config.md) and the tree that its layers come to. */
export interface SavedImage {
  readonly document: ImageDocument;
  readonly tree: ImageTree;
}

export interface ImageDocument {
  readonly author?: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
}

interface Manifest {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

/** The images of an unpacked docker-archive (`docker save`), by each of their names without the tag. */
export async function readSavedImages(folder: string): Promise<ReadonlyMap<string, SavedImage>> {
  const manifests: readonly Manifest[] = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const layers = new Map<string, Promise<Entry[]>>();
  const layerAt = (path: string) => {
    // Layers that several images share may be links to one.
    const place = realpathSync(join(folder, path));
    const known = layers.get(place) ?? readLayer(place);
    layers.set(place, known);
    return known;
  };
  const images = new Map<string, SavedImage>();
  for (const { Config, RepoTags, Layers } of manifests) {
    const document: ImageDocument = JSON.parse(readFileSync(join(folder, Config), "utf8"));
    const image = { document, tree: flatten(await Promise.all(Layers.map(layerAt))) };
    for (const tag of RepoTags ?? [])
      images.set(tag.replace(/^localhost\/|^docker.io\/library\//, "").replace(/:latest$/, ""), image);
  }
  return images;
}

async function readLayer(path: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  const reader = extract();
  createReadStream(path).pipe(reader);
  for await (const member of reader) {
    const hash = createHash("sha256");
    for await (const chunk of member as AsyncIterable<Buffer>) hash.update(chunk);
    entries.push(entryOf(member.header, hash.digest("hex").slice(0, 16)));
  }
  return entries;
}

function entryOf(header: Header, digest: string): Entry {
  const { type = "file", mode = 0, uid = 0, gid = 0, linkname, devmajor, devminor, pax, mtime } = header;
  const content =
    type === "file"
      ? digest
      : type === "symlink"
        ? (linkname ?? "")
        : /device/.test(type)
          ? `${devmajor}:${devminor}`
          : "";
  const attributes = Object.entries(pax ?? {}).flatMap(([key, value]) =>
    key.startsWith("SCHILY.xattr.")
      ? [[key.slice(13), Buffer.from(String(value)).toString("hex")] as const]
      : [],
  );
  return {
    name: clean(header.name),
    type: type === "contiguous-file" ? "file" : type,
    mode: (mode & 0o7777).toString(8),
    owner: `${uid}:${gid}`,
    content,
    attributes: Object.fromEntries(attributes),
    mtime: Math.floor((mtime?.getTime() ?? 0) / 1000),
    sameAs: type === "link" ? clean(linkname ?? "") : undefined,
  };
}

const clean = (name: string) => name.replace(/^\.?\//, "").replace(/\/$/, "");
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Layers on top of each other (OCI image-spec layer.md). */
function flatten(layers: readonly (readonly Entry[])[]): ImageTree {
  const files = new Map<string, Entry & { group: object }>();
  const removeBelow = (folder: string) => {
    for (const name of [...files.keys()])
      if (folder === "" || name.startsWith(`${folder}/`)) files.delete(name);
  };
  for (const layer of layers) {
    for (const { name } of layer) {
      const slash = name.lastIndexOf("/") + 1;
      const [folder, base] = [name.slice(0, slash), name.slice(slash)];
      if (base === OPAQUE) removeBelow(folder.slice(0, -1));
      else if (base.startsWith(WHITEOUT)) {
        const removed = folder + base.slice(WHITEOUT.length);
        files.delete(removed);
        removeBelow(removed);
      }
    }
    for (const entry of layer) {
      const { name, sameAs } = entry;
      if (name === "" || name.split("/").at(-1)?.startsWith(WHITEOUT)) continue;
      if (files.get(name)?.type === "directory" && entry.type !== "directory") removeBelow(name);
      const first = sameAs === undefined ? undefined : files.get(sameAs);
      files.set(name, first === undefined ? { ...entry, group: {} } : { ...first, name });
    }
  }
  const groups = Map.groupBy(files.values(), ({ group }) => group);
  return new Map(
    [...files].map(([name, { group, name: _, sameAs: __, ...facts }]) => [
      `/${name}`,
      {
        ...facts,
        twins: (groups.get(group) ?? []).map((twin) => `/${twin.name}`).filter((twin) => twin !== `/${name}`),
      },
    ]),
  );
}
