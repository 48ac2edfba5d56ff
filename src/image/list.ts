import { posix } from "node:path";
import { invalid } from "../errors/index.ts";
import { parseTimestamp } from "../units/index.ts";
import type { Filters, ImageSummary } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { createdSeconds } from "./image-config.ts";
import { findImage } from "./lookup.ts";
import { familiar, familiarDigest, familiarRepository } from "./names.ts";
import type { ImageRecord } from "./table.ts";

type Predicate = (image: ImageRecord) => boolean;

/** `docker images`, newest first. Throws invalid for an unknown filter, not-found for an unknown before/since. */
export function listImages(
  context: ImageContext,
  options: { filters: Filters; sharedSize: boolean },
): ImageSummary[] {
  const predicates = [...options.filters]
    .filter(([, values]) => values.size > 0)
    .map(([key, values]) => predicate(context, key, [...values]));
  const patterns = [...(options.filters.get("reference") ?? [])];
  const images = context.table.list();
  const uses = layerUses(images);
  return images
    .filter((image) => predicates.every((fits) => fits(image)))
    .map((image) => ({
      Id: image.id,
      ParentId: "",
      RepoTags: image.names
        .filter((name) => patterns.length === 0 || matchesAny(patterns, name))
        .map(familiar),
      RepoDigests: image.digests
        .filter(({ repository }) => patterns.length === 0 || matchesAny(patterns, `${repository}:latest`))
        .map(familiarDigest),
      Created: createdSeconds(image.document),
      Size: image.sizeBytes,
      SharedSize: options.sharedSize ? sharedBytes(image, uses) : -1,
      Labels: { ...image.document.config.Labels },
      Containers: options.sharedSize ? context.usedBy(image.id).length : -1,
    }))
    .sort((a, b) => b.Created - a.Created || (a.Id < b.Id ? -1 : 1));
}

function predicate(context: ImageContext, key: string, values: readonly string[]): Predicate {
  switch (key) {
    case "dangling": {
      const wanted = values.map(dangling);
      return ({ names }) => wanted.includes(names.length === 0);
    }
    case "label":
      return ({ document }) => values.every((value) => hasLabel(document.config.Labels ?? {}, value));
    case "label!":
      return ({ document }) => !values.some((value) => hasLabel(document.config.Labels ?? {}, value));
    case "before": {
      const bounds = values.map((value) => createdSeconds(findImage(context, value).image.document));
      return ({ document }) => bounds.every((bound) => createdSeconds(document) < bound);
    }
    case "since": {
      const bounds = values.map((value) => createdSeconds(findImage(context, value).image.document));
      return ({ document }) => bounds.every((bound) => createdSeconds(document) > bound);
    }
    case "until": {
      const bounds = values.map((value) => Number(parseTimestamp(value, Date.now()) / 1_000_000_000n));
      return ({ document }) => bounds.every((bound) => createdSeconds(document) < bound);
    }
    case "reference":
      return ({ names }) => names.some((name) => matchesAny(values, name));
    default:
      throw invalid(`invalid filter '${key}'`);
  }
}

function dangling(value: string): boolean {
  if (/^(1|true)$/i.test(value)) return true;
  if (/^(0|false)$/i.test(value)) return false;
  throw invalid(`invalid filter 'dangling=[${value}]'`);
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  if (equals < 0) return labels[wanted] !== undefined;
  return labels[wanted.slice(0, equals)] === wanted.slice(equals + 1);
}

/** Docker's rule: the pattern fits the familiar name, with its tag or without. A star stops at a slash. */
function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some(
    (pattern) =>
      posix.matchesGlob(familiar(name), pattern) || posix.matchesGlob(familiarRepository(name), pattern),
  );
}

function layerUses(images: readonly ImageRecord[]): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const { layers } of images) {
    for (const { chainId } of layers) uses.set(chainId, (uses.get(chainId) ?? 0) + 1);
  }
  return uses;
}

function sharedBytes(image: ImageRecord, uses: ReadonlyMap<string, number>): number {
  return image.layers
    .filter(({ chainId }) => (uses.get(chainId) ?? 0) > 1)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
