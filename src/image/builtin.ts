import { notFound } from "../errors/index.ts";
import { familiarName, type Reference, withDefaultTag } from "../reference/index.ts";
import type { ProgressMessage } from "../wire/index.ts";
import type { BuiltinImage, ImageContext } from "./context.ts";
import { installArchive } from "./load.ts";
import { findImageOrUndefined } from "./lookup.ts";
import { familiar, fullName } from "./names.ts";
import { publishImageEvent } from "./publish.ts";
import type { ImageRecord } from "./table.ts";

/** The built-in image of this name; only its tag "latest" exists. */
export function findBuiltin(context: ImageContext, reference: Reference): BuiltinImage | undefined {
  const { tag, digest } = withDefaultTag(reference);
  if (tag !== "latest" || digest !== undefined) return undefined;
  return context.builtins.find(({ name }) => name === familiarName(reference));
}

/** Install a built-in image by the same path as any archive. */
export async function installBuiltin(
  context: ImageContext,
  builtin: BuiltinImage,
  signal: AbortSignal,
): Promise<ImageRecord> {
  await installArchive(context, builtin.open(), signal);
  const found = findImageOrUndefined(context, builtin.name);
  if (found === undefined) throw notFound(`No such image: ${builtin.name}:latest`);
  return found.image;
}

/** `docker pull` of a built-in image. */
export async function* pullBuiltin(
  context: ImageContext,
  reference: Reference,
  builtin: BuiltinImage,
  signal: AbortSignal,
): AsyncGenerator<ProgressMessage> {
  const name = familiar(fullName(reference));
  yield { status: `Pulling from ${reference.path}`, id: reference.tag ?? "latest" };
  const before = findImageOrUndefined(context, name)?.image;
  const image = await installBuiltin(context, builtin, signal);
  publishImageEvent(context, "pull", name, familiarName(reference), image);
  yield { status: `Digest: ${image.manifestDigest}` };
  const fresh = before?.id !== image.id;
  yield { status: `Status: ${fresh ? "Downloaded newer image for" : "Image is up to date for"} ${name}` };
}

/** Throws not-found in Docker's words when an image is for another machine than the one asked for. */
export function requirePlatform(
  name: string,
  actual: { readonly os: string; readonly architecture: string },
  wanted: string | undefined,
): void {
  if (wanted === undefined || wanted === "") return;
  const [os = "", architecture = ""] = wanted.split("/");
  if (os === actual.os && (architecture === "" || architecture === actual.architecture)) return;
  throw notFound(
    `image with reference ${name} was found but its platform (${actual.os}/${actual.architecture}) does not match the specified platform (${wanted})`,
  );
}
