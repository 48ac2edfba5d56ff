import { createReadStream } from "node:fs";
import { MEDIA } from "../../archive/index.ts";
import { digestOf, parseDigest } from "../../content/index.ts";
import { cancelled, EngineError, invalid, notFound } from "../../errors/index.ts";
import { limiter } from "../../platform/index.ts";
import { familiarName, parseReference, type Reference } from "../../reference/index.ts";
import {
  isForeign,
  openPushTarget,
  type Platform,
  type PushTarget,
  parseManifest,
  parsePlatform,
  platformRank,
} from "../../registry/index.ts";
import type { ProgressMessage } from "../../wire/index.ts";
import type { Attestation } from "../attestation.ts";
import { attestedIndex } from "../attestations.ts";
import type { ImageContext } from "../context.ts";
import { collectGarbage } from "../garbage.ts";
import type { Lease } from "../leases.ts";
import { familiar, fullName, fullRepository } from "../names.ts";
import { LayerMeter, layerId, progressOf, type Report } from "../progress/index.ts";
import { publishImageEvent } from "../publish.ts";
import type { PushOptions } from "../service.ts";
import type { ImageRecord } from "../table.ts";
import { withCompressedLayers } from "./compress-layers.ts";
import { findIndex, type LocalIndex } from "./local-index.ts";

/** As many as Docker uploads at a time ("max-concurrent-uploads"). */
const UPLOADS = 5;
const MAX_DOCUMENT_BYTES = 8 << 20;

/** `docker push`: one tag, or all of a repository. That nothing has the name is told after the first message, as Docker does. */
export function pushImage(
  context: ImageContext,
  text: string,
  options: PushOptions,
  signal: AbortSignal,
): AsyncIterable<ProgressMessage> {
  const parsed = parseReference(text);
  if (parsed.digest !== undefined) throw invalid("cannot push a digest reference");
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  return progressOf(async (report, stop) => {
    try {
      await pushAll(context, parsed, options, platform, report, stop);
    } catch (error) {
      throw stop.aborted ? cancelled("the push was cancelled", { cause: error }) : error;
    }
  }, signal);
}

interface Named {
  readonly reference: Reference;
  readonly image: ImageRecord;
}

/** Throws not-found in Docker's words. */
function namedImages(context: ImageContext, parsed: Reference, tag: string): Named[] {
  const chosen = tag === "" ? parsed.tag : tag;
  const all = context.table.namesOf(fullRepository(parsed)).map(({ name }) => name);
  if (all.length === 0)
    throw notFound(`An image does not exist locally with the tag: ${familiarName(parsed)}`);
  const names = chosen === undefined ? all : [fullName({ ...parsed, tag: chosen })];
  const found = names.flatMap((name) => {
    const image = context.table.find(context.table.idByName(name) ?? "");
    return image === undefined ? [] : [{ reference: parseReference(name), image }];
  });
  if (found.length === 0) throw notFound(`tag does not exist: ${familiarName(parsed)}:${chosen}`);
  return found;
}

async function pushAll(
  context: ImageContext,
  parsed: Reference,
  { credentials, tag }: PushOptions,
  platform: Platform | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const { registry, path } = parsed;
  const target = openPushTarget(context.registries, {
    registry,
    path,
    ...(credentials === undefined ? {} : { credentials }),
  });
  report({ status: `The push refers to repository [${registry}/${path}]` });
  const named = namedImages(context, parsed, tag);
  await target.open(signal);
  try {
    for (const { reference, image } of named) {
      using lease = context.leases.take();
      await new Push(context, target, reference, lease, report, signal).tag(image, platform);
    }
  } finally {
    // The plain blobs of layers that are compressed from now on, and documents that were made for this push alone.
    await collectGarbage(context);
  }
}

/** One tag on its way to a registry. */
class Push {
  readonly #context: ImageContext;
  readonly #target: PushTarget;
  readonly #reference: Reference;
  readonly #lease: Lease;
  readonly #report: Report;
  readonly #signal: AbortSignal;

  constructor(
    context: ImageContext,
    target: PushTarget,
    reference: Reference,
    lease: Lease,
    report: Report,
    signal: AbortSignal,
  ) {
    this.#context = context;
    this.#target = target;
    this.#reference = reference;
    this.#lease = lease;
    this.#report = report;
    this.#signal = signal;
  }

  async tag(image: ImageRecord, platform: Platform | undefined): Promise<void> {
    requirePlatform(image, this.#reference, platform);
    this.#hold(image);
    const tag = this.#reference.tag ?? "latest";
    const whole = await withCompressedLayers(this.#context, image, this.#lease, this.#signal);
    this.#hold(whole);
    await this.#blobs(whole);
    const attestation = platform === undefined ? this.#context.table.attestationOf(whole.id) : undefined;
    if (attestation !== undefined) await this.#attestation(whole, attestation);
    const index = platform === undefined ? await findIndex(this.#context, whole) : undefined;
    if (index !== undefined && (await this.#others(whole, index))) {
      await this.#manifest(whole, whole.manifestDigest);
      await this.#target.pushManifest(tag, index.bytes, index.mediaType, this.#signal);
      return this.#done(whole, tag, index.digest, index.bytes.length);
    }
    if (index !== undefined) {
      this.#report({
        status:
          "Info → Not all multiplatform-content is present and only the available single-platform image was pushed",
      });
    }
    if (attestation !== undefined) return this.#attested(whole, attestation, tag);
    const size = await this.#manifest(whole, tag);
    this.#done(whole, tag, whole.manifestDigest, size);
  }

  /** Push what is said of an image, after its manifest, which it may have as its subject. */
  async #attestation(image: ImageRecord, attestation: Attestation): Promise<void> {
    const { content } = this.#context;
    await this.#manifest(image, image.manifestDigest);
    for (const digest of [...attestation.blobs, attestation.manifest]) this.#lease.add(digest);
    for (const digest of attestation.blobs)
      await this.#blob(digest, (await content.find(digest))?.sizeBytes ?? 0, undefined, this.#signal);
    const manifest = await content.read(attestation.manifest, MAX_DOCUMENT_BYTES);
    await this.#target.pushManifest(attestation.manifest, manifest, MEDIA.manifest, this.#signal);
  }

  /** Let a tag be an index of the image and what is said of it. */
  async #attested(image: ImageRecord, attestation: Attestation, tag: string): Promise<void> {
    const { content } = this.#context;
    const size = (await content.find(image.manifestDigest))?.sizeBytes ?? 0;
    const index = attestedIndex(image, size, attestation);
    this.#lease.add(digestOf(index));
    await content.put(index);
    await this.#target.pushManifest(tag, index, MEDIA.index, this.#signal);
    this.#done(image, tag, digestOf(index), index.length);
  }

  #hold(image: ImageRecord): void {
    for (const digest of [image.id, image.manifestDigest, ...image.layers.map((layer) => layer.blobDigest)])
      this.#lease.add(digest);
  }

  #done(image: ImageRecord, tag: string, digest: string, size: number): void {
    const { table, store } = this.#context;
    store.transaction(() => {
      table.setDigest(fullRepository(this.#reference), digest, image.id);
      const blobs = [image.id, ...image.layers.map((layer) => layer.blobDigest)];
      table.addSources(fullRepository(this.#reference), blobs);
    });
    this.#report({ status: `${tag}: digest: ${digest} size: ${size}` });
    this.#report({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } });
    const name = familiar(fullName(this.#reference));
    publishImageEvent(this.#context, "push", name, familiarName(this.#reference), image);
  }

  /** Config and layers, side by side; a blob that an image has twice goes once. */
  async #blobs(image: ImageRecord): Promise<void> {
    const limit = limiter(UPLOADS);
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const layers = new Map(image.layers.map((layer) => [layer.blobDigest as string, layer]));
    const meters = [...layers.values()]
      .toReversed()
      .map((layer) => ({ layer, meter: new LayerMeter(layerId(layer.diffId), this.#report) }));
    for (const { meter } of meters) meter.say("Preparing");
    const work = meters.map(({ layer, meter }) =>
      limit(async () => {
        if (isForeign(layer.mediaType)) return meter.say("Skipped foreign layer");
        await this.#blob(layer.blobDigest, layer.blobBytes, meter, signal);
      }),
    );
    const size = (await this.#context.content.find(image.id))?.sizeBytes ?? 0;
    work.push(limit(() => this.#blob(image.id, size, undefined, signal)));
    const failures: unknown[] = [];
    await Promise.all(
      work.map((one) =>
        one.catch((error: unknown) => {
          failures.push(error);
          stop.abort();
        }),
      ),
    );
    // The first is the cause; the others were ended because of it.
    if (failures.length > 0) throw failures[0];
  }

  async #blob(
    digest: string,
    sizeBytes: number,
    meter: LayerMeter | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { content, table } = this.#context;
    const blob = await content.find(parseDigest(digest));
    if (blob === undefined)
      throw new EngineError("internal", `content ${digest} is not here: run system fsck`);
    const { registry, path } = this.#reference;
    const mountFrom = table
      .sourcesOf(digest)
      .filter((source) => source.startsWith(`${registry}/`))
      .map((source) => source.slice(registry.length + 1))
      .filter((source) => source !== path);
    const outcome = await this.#target.pushBlob(
      {
        digest,
        sizeBytes,
        open: (offset) => createReadStream(blob.path, { start: offset, highWaterMark: 1 << 18 }),
      },
      { mountFrom, onBytes: (sent) => meter?.count("Pushing", sent, sizeBytes) },
      signal,
    );
    if (outcome.kind === "exists") meter?.say("Layer already exists");
    else if (outcome.kind === "mounted") meter?.say(`Mounted from ${outcome.from}`);
    else meter?.say("Pushed");
  }

  /** The image's own manifest under a tag or its digest. Gives its size. */
  async #manifest(image: ImageRecord, reference: string): Promise<number> {
    const bytes = await this.#context.content.read(image.manifestDigest, MAX_DOCUMENT_BYTES);
    await this.#target.pushManifest(reference, bytes, mediaTypeOf(bytes), this.#signal);
    return bytes.length;
  }

  /** Whether the other images of an index are in the repository, after those that are here have been sent there. */
  async #others(image: ImageRecord, index: LocalIndex): Promise<boolean> {
    for (const { digest } of index.manifests) {
      if (digest === image.manifestDigest) continue;
      const local = this.#context.table.findByManifest(digest);
      if (local !== undefined) {
        this.#hold(local);
        await this.#blobs(local);
        await this.#manifest(local, digest);
      } else if (!(await this.#target.manifestExists(digest, this.#signal))) return false;
    }
    return true;
  }
}

/** A manifest says itself what it is; those that Gantry or old tools wrote without are OCI's. */
function mediaTypeOf(bytes: Uint8Array): string {
  const { mediaType }: { mediaType?: unknown } = JSON.parse(Buffer.from(bytes).toString("utf8"));
  parseManifest(bytes, typeof mediaType === "string" ? mediaType : "");
  return typeof mediaType === "string" ? mediaType : "application/vnd.oci.image.manifest.v1+json";
}

function requirePlatform(image: ImageRecord, reference: Reference, platform: Platform | undefined): void {
  if (platform === undefined) return;
  const { os, architecture, variant } = image.document;
  const actual = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (platformRank(actual, platform) !== undefined) return;
  throw notFound(
    `image with reference ${familiar(fullName(reference))} was found but does not provide the specified platform`,
  );
}
