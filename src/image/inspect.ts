import type { ImageHistoryItem, ImageInspect } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { createdSeconds } from "./image-config.ts";
import { findImage } from "./lookup.ts";
import { familiar, familiarDigest } from "./names.ts";
import type { ResolvedImage } from "./service.ts";
import type { ImageRecord } from "./table.ts";

export function inspectImage(context: ImageContext, reference: string): ImageInspect {
  const { image } = findImage(context, reference);
  const { document } = image;
  return {
    Id: image.id,
    RepoTags: image.names.map(familiar),
    RepoDigests: image.digests.map(familiarDigest),
    Parent: "",
    Comment: document.comment,
    Created: document.created ?? "",
    DockerVersion: document.dockerVersion,
    Author: document.author,
    Config: document.config,
    Architecture: document.architecture,
    ...(document.variant === undefined ? {} : { Variant: document.variant }),
    Os: document.os,
    ...(document.osVersion === undefined ? {} : { OsVersion: document.osVersion }),
    Size: image.sizeBytes,
    GraphDriver: { Name: "overlay2", Data: driverData(context, image) },
    RootFS: { Type: "layers", Layers: image.layers.map((layer) => layer.diffId) },
    Metadata: { LastTagTime: image.taggedAt },
  };
}

/** Where the layers lie, in the words of Docker's overlay2 driver. */
function driverData(context: ImageContext, image: ImageRecord): Record<string, string> | null {
  if (image.chainId === undefined) return null;
  const [top = "", ...below] = context.snapshotter.view(image.chainId).lower;
  return below.length === 0 ? { UpperDir: top } : { LowerDir: below.join(":"), UpperDir: top };
}

/** `docker history`, newest step first; only the image itself has an id, the steps before it are "<missing>". */
export function imageHistory(context: ImageContext, reference: string): ImageHistoryItem[] {
  const { image } = findImage(context, reference);
  const sizes = image.layers.map((layer) => layer.sizeBytes);
  const items = image.document.history.map((step) => ({
    Id: "<missing>",
    Created: createdSeconds(step),
    CreatedBy: step.createdBy,
    Tags: null,
    Size: step.emptyLayer ? 0 : (sizes.shift() ?? 0),
    Comment: step.comment,
  }));
  const newestFirst: ImageHistoryItem[] = items.reverse();
  const [top] = newestFirst;
  if (top !== undefined) {
    top.Id = image.id;
    top.Tags = image.names.length === 0 ? null : image.names.map(familiar);
  }
  return newestFirst;
}

export function resolvedImage(image: ImageRecord): ResolvedImage {
  return {
    id: image.id,
    config: image.document.config,
    chainId: image.chainId,
    sizeBytes: image.sizeBytes,
    os: image.document.os,
    architecture: image.document.architecture,
  };
}
