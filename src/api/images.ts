import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { invalid, notFound } from "../errors/index.ts";
import { parseImageConfig } from "../image/index.ts";
import { formatPlatform, parsePlatform, platformRank } from "../registry/index.ts";
import type { ImageInspect, ImageSummary } from "../wire/index.ts";
import type { Exchange } from "./exchange.ts";
import { bodyOf, readJson, sendJson, sendNothing } from "./exchange.ts";
import type { JsonObject } from "./parse/fields.ts";
import { accountOf } from "./registries.ts";
import type { Routes } from "./router.ts";
import { sendProgress } from "./streams.ts";

const PRUNE_FILTERS = ["dangling", "label", "label!", "until"];
const LIST_FILTERS = ["before", "dangling", "label", "label!", "reference", "since", "until"];
/** The first version without the field VirtualSize. */
const WITHOUT_VIRTUAL_SIZE = 144;

export const imageRoutes: Routes = {
  "GET /images/json": async (x) => {
    const filters = x.query.filters(LIST_FILTERS);
    const images = await x.engine.images.list({
      all: x.query.boolean("all"),
      filters,
      sharedSize: x.query.boolean("shared-size"),
    });
    sendJson(
      x,
      200,
      images.map((image) => withVirtualSize(x, image)),
    );
  },
  "GET /images/{name}/json": async (x) => {
    requirePlatforms(x, x.query.all("platform"));
    sendJson(x, 200, withVirtualSize(x, x.engine.images.inspect(name(x))));
  },
  "GET /images/{name}/history": async (x) => {
    requirePlatforms(x, x.query.all("platform"));
    sendJson(x, 200, x.engine.images.history(name(x)));
  },
  "POST /commit": async (x) => {
    const { query } = x;
    const body = await readJson(x);
    const id = await x.engine.containers.commit(
      query.string("container"),
      {
        repository: query.string("repo"),
        tag: query.string("tag"),
        author: query.string("author"),
        comment: query.string("comment"),
        pause: query.boolean("pause", true),
        changes: query.all("changes"),
        config: parseImageConfig(givenFields(body)),
      },
      x.gone,
    );
    sendJson(x, 201, { Id: id });
  },
  "POST /images/{name}/tag": async (x) => {
    x.engine.images.tag(name(x), x.query.string("repo"), x.query.string("tag"));
    sendNothing(x, 201);
  },
  "DELETE /images/{name}": async (x) => {
    requirePlatforms(x, x.query.all("platforms"));
    const { query } = x;
    sendJson(
      x,
      200,
      await x.engine.images.remove(name(x), {
        force: query.boolean("force"),
        noPrune: query.boolean("noprune"),
      }),
    );
  },
  "POST /images/prune": async (x) => {
    const { items, bytes } = await x.engine.images.prune(x.query.filters(PRUNE_FILTERS));
    sendJson(x, 200, { ImagesDeleted: items.length === 0 ? null : items, SpaceReclaimed: bytes });
  },
  "GET /images/{name}/layers": async (x) => {
    sendJson(x, 200, await x.engine.images.explain(name(x), x.gone));
  },
  "GET /images/{name}/diff": async (x) => {
    sendJson(x, 200, await x.engine.images.diff(name(x), x.query.string("to"), x.gone));
  },
  "POST /images/load": (x) =>
    sendProgress(x, x.engine.images.load(bodyOf(x), x.gone, platformOf(x.query.string("platform")))),
  "POST /images/create": (x) => sendProgress(x, create(x)),
  "POST /images/{name}/push": (x) => {
    const credentials = accountOf(x);
    const platform = platformOf(x.query.string("platform"));
    const how = {
      tag: x.query.string("tag"),
      ...(platform === undefined ? {} : { platform }),
      ...(credentials === undefined ? {} : { credentials }),
    };
    return sendProgress(x, x.engine.images.push(name(x), how, x.gone));
  },
  "GET /images/get": (x) =>
    save(
      x,
      x.query.all("names").flatMap((names) => names.split(",")),
    ),
  "GET /images/{name}/get": (x) => save(x, [name(x)]),
};

/** Clients send every field, those that were not given as empty. */
const givenFields = (body: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== "" && value !== null));

const name = (x: Exchange): string => x.path.name ?? "";

function create(x: Exchange) {
  const { query, engine } = x;
  const platform = query.string("platform");
  const where = platform === "" ? {} : { platform };
  const image = query.string("fromImage");
  if (image !== "") {
    const tag = query.string("tag");
    const credentials = accountOf(x);
    const how = {
      ...where,
      ...(credentials === undefined ? {} : { credentials }),
      allTags: isBare(image, tag),
    };
    return engine.images.pull(withTag(image, tag), how, x.gone);
  }
  const source = importSource(x, query.string("fromSrc"));
  const options = {
    repository: query.string("repo"),
    tag: query.string("tag"),
    message: query.string("message"),
    changes: query.all("changes"),
    ...where,
  };
  return engine.images.import(source, options, x.gone);
}

/** "-" is the request's body; a host without a scheme is reached by plain HTTP, as with Docker. */
function importSource(x: Exchange, text: string): Readable | URL {
  if (text === "-") return bodyOf(x);
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw invalid(`cannot import from "${text}": want "-" or the URL of an archive by http or https`);
  return url;
}

/** Clients since API 1.46 send a platform as JSON: {"os": …, "architecture": …, "variant": …}. */
function platformOf(text: string): string | undefined {
  if (text === "") return undefined;
  try {
    const { os, architecture, variant }: Record<string, unknown> = Object(JSON.parse(text));
    return [os, architecture, variant].filter((part) => typeof part === "string" && part !== "").join("/");
  } catch (cause) {
    throw invalid(`failed to parse platform: ${text}`, { cause });
  }
}

/** An image is here for one platform. Throws not-found in Docker's words when one that the client means is another. */
function requirePlatforms(x: Exchange, texts: readonly string[]): void {
  for (const text of texts) {
    const wanted = platformOf(text);
    if (wanted === undefined) continue;
    const { Os: os, Architecture: architecture, Variant } = x.engine.images.inspect(name(x));
    const actual = { os, architecture, ...(Variant ? { variant: Variant } : {}) };
    if (platformRank(actual, parsePlatform(wanted)) !== undefined) continue;
    throw notFound(
      `image with reference ${name(x)} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${wanted})`,
    );
  }
}

/** Without tag and digest all tags are meant (Engine API, ImageCreate, `tag`). */
const isBare = (image: string, tag: string): boolean => tag === "" && !/[:@][^/]*$/.test(image);

const withTag = (image: string, tag: string): string =>
  tag === "" ? image : tag.includes(":") ? `${image}@${tag}` : `${image}:${tag}`;

async function save(x: Exchange, names: readonly string[]): Promise<void> {
  const format = x.query.string("format");
  if (format !== "" && format !== "oci" && format !== "docker-archive")
    throw invalid(`unknown archive format "${format}": use docker-archive or oci`);
  const platform = platformOf(x.query.string("platform"));
  const archive = await x.engine.images.save(names, x.gone, {
    ...(format === "" ? {} : { format }),
    ...(platform === undefined ? {} : { platform }),
  });
  x.response.writeHead(200, { "Content-Type": "application/x-tar" });
  await pipeline(archive, x.response);
}

function withVirtualSize<T extends ImageSummary | ImageInspect>({ version }: Exchange, image: T): T {
  return version < WITHOUT_VIRTUAL_SIZE ? { ...image, VirtualSize: image.Size } : image;
}
