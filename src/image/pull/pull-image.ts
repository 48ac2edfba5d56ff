import { parseDigest } from "../../content/index.ts";
import { cancelled, EngineError } from "../../errors/index.ts";
import {
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../reference/index.ts";
import {
  openRepository,
  type Platform,
  parseManifest,
  parsePlatform,
  type Repository,
} from "../../registry/index.ts";
import type { ProgressMessage } from "../../wire/index.ts";
import { findBuiltin, pullBuiltin, requirePlatform } from "../builtin.ts";
import type { ImageContext } from "../context.ts";
import { underLease } from "../garbage.ts";
import { fullName, fullRepository } from "../names.ts";
import { progressOf, type Report } from "../progress/index.ts";
import { publishImageEvent } from "../publish.ts";
import type { PullOptions } from "../service.ts";
import { fetchAttestation } from "./fetch-attestation.ts";
import { checkPlatform, fetchImage } from "./fetch-image.ts";
import { chooseImage } from "./remote-image.ts";

/**
 * `docker pull`: an image, or with `allTags` all of a repository. Built-in images come from the engine itself unless
 * their registry has a mirror. Fails before the first message when the registry does not have what was asked for.
 */
export function pullImage(
  context: ImageContext,
  text: string,
  options: PullOptions,
  signal: AbortSignal,
): AsyncIterable<ProgressMessage> {
  const reference = parseReference(text);
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const begin = (work: (report: Report, stop: AbortSignal) => Promise<void>) =>
    progressOf(
      (report, stop) =>
        work(report, stop).catch((error: unknown) => {
          throw failureOf(error, stop);
        }),
      signal,
    );
  if (options.allTags === true)
    return begin((report, stop) => pullAll(context, reference, options, report, stop));
  const whole = withDefaultTag(reference);
  const builtin = findBuiltin(context, whole);
  if (builtin !== undefined && !context.registries.hasMirrors(whole.registry, whole.path)) {
    requirePlatform(builtin.name, { os: "linux", architecture: "amd64" }, options.platform);
    return pullBuiltin(context, whole, builtin, signal);
  }
  return begin((report, stop) => pullOne(context, whole, options, platform, report, stop));
}

function failureOf(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return cancelled("the pull was cancelled", { cause: error });
  // To "unauthorized" Docker's client answers by asking for a password, also where there is nobody to ask.
  if (error instanceof EngineError && error.kind === "unauthorized")
    return new EngineError("forbidden", error.message, { cause: error });
  return error;
}

async function pullOne(
  context: ImageContext,
  reference: Reference,
  options: PullOptions,
  platform: Platform | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const repository = open(context, reference, options);
  const isFresh = await pullReference(context, repository, reference, platform, report, signal);
  report(statusOf(familiarString(reference), isFresh));
}

const statusOf = (name: string, isFresh: boolean): ProgressMessage => ({
  status: `Status: ${isFresh ? "Downloaded newer image for" : "Image is up to date for"} ${name}`,
});

async function pullAll(
  context: ImageContext,
  reference: Reference,
  options: PullOptions,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const { registry, path } = reference;
  const repository = open(context, reference, options);
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  let isFresh = false;
  for (const tag of await repository.tags(signal)) {
    try {
      const one = { registry, path, tag };
      if (await pullReference(context, repository, one, platform, report, signal)) isFresh = true;
    } catch (error) {
      // Charts, signatures and images for other machines live beside what can be run here.
      const isOther =
        error instanceof EngineError && (error.kind === "unsupported" || error.kind === "not-found");
      if (!isOther) throw error;
      report({ status: `${tag}: ${error.message}` });
    }
  }
  report(statusOf(familiarName(reference), isFresh));
}

function open(
  context: ImageContext,
  { registry, path }: Reference,
  { credentials }: PullOptions,
): Repository {
  const address = { registry, path, ...(credentials === undefined ? {} : { credentials }) };
  return openRepository(context.registries, address);
}

/** Gives whether the name is new, or leads to another image than before. */
async function pullReference(
  context: ImageContext,
  repository: Repository,
  reference: Reference,
  platform: Platform | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> {
  const asked = reference.digest ?? reference.tag ?? "latest";
  const name = familiarString(reference);
  const top = await repository.manifest(asked, signal);
  const parsed = parseManifest(top.bytes, top.mediaType);
  report({ status: `Pulling from ${reference.path}`, id: asked });
  const fresh = await underLease(context, async (lease) => {
    lease.add(top.digest);
    const image = await chooseImage(repository, { name, top, parsed, platform }, signal);
    if (image.source !== top) await context.content.put(top.bytes);
    const present = context.table.find(image.manifest.config.digest);
    if (present !== undefined) checkPlatform(image.name, image.platform, present.document);
    const prepared =
      present === undefined ? await fetchImage(context, image, lease, report, signal) : undefined;
    const id = parseDigest(image.manifest.config.digest);
    // Of an image that is here in another form nothing was said.
    const isThis = present === undefined || present.manifestDigest === image.source.digest;
    const attestation =
      parsed.kind === "index" && isThis
        ? await fetchAttestation(context, repository, parsed, image.source.digest, lease, signal)
        : undefined;
    return context.store.transaction(() => {
      if (prepared !== undefined) context.table.insert(prepared);
      if (attestation !== undefined) context.table.setAttestation(id, attestation);
      return keepNames(context, reference, parseDigest(top.digest), id);
    });
  });
  const id =
    parsed.kind === "manifest"
      ? parsed.config.digest
      : context.table.idByDigest(fullRepository(reference), top.digest);
  const record = id === undefined ? undefined : context.table.find(id);
  publishImageEvent(context, "pull", name, familiarName(reference), record);
  report({ status: `Digest: ${top.digest}` });
  return fresh;
}

/** Give the image its tag and its digest in that repository. True when either is new for it. */
function keepNames(context: ImageContext, reference: Reference, digest: string, id: string): boolean {
  const { table } = context;
  const repository = fullRepository(reference);
  const before =
    reference.tag === undefined ? table.idByDigest(repository, digest) : table.idByName(fullName(reference));
  table.setDigest(repository, digest, id);
  const image = table.find(id);
  if (image !== undefined)
    table.addSources(repository, [id, ...image.layers.map((layer) => layer.blobDigest)]);
  if (reference.tag !== undefined && reference.digest === undefined) table.setName(fullName(reference), id);
  return before !== id;
}
