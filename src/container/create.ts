import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError, invalid } from "../errors/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { draftContainer, mountRequestsOf } from "./draft.ts";
import { makeFolder, resolveMounts } from "./mounts/index.ts";
import { attachRequest, networkModeOf } from "./network-mode.ts";
import { notify } from "./notify.ts";
import type { CreateRequest } from "./service.ts";

/**
 * Create: image + names + mounts + a writable snapshot become one row. Nothing of the kernel is touched yet.
 * Row, snapshot row and name appear in one transaction; folders made before it are taken back when it fails.
 */
export async function createContainer(
  context: ContainerContext,
  request: CreateRequest,
): Promise<{ id: string; warnings: string[] }> {
  const { record: draft, warnings } = await draftContainer(context, request);
  const { id } = draft;
  const mode = networkModeOf(draft.definition.hostConfig);
  // Whose network it joins is looked up at the start: an answer of "not found" here would mean the image.
  const insertEndpoints =
    mode.kind === "container" ? () => {} : prepareEndpoints(context, attachRequest(draft, mode.main));

  await using undo = new AsyncDisposableStack();
  const volumesMade: string[] = [];
  undo.defer(async () => {
    for (const volume of volumesMade) await context.volumes.discard(volume);
  });
  const mounts = await resolveMounts(
    mountRequestsOf(context, draft),
    { ...context, makeFolder },
    volumesMade,
  );
  const record = { ...draft, definition: { ...draft.definition, mounts } };

  const folder = join(context.folder, id);
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  mkdirSync(folder, { mode: 0o710 });
  undo.defer(() => context.snapshotter.removeActive(id));
  await context.snapshotter.prepareActive(id, record.definition.layerLimitBytes);
  context.store.transaction(() => {
    context.table.insert(record);
    insertEndpoints();
    context.snapshotter.insertActive(id, record.definition.chainId);
  });
  undo.move();
  notify(context, record, "create");
  return { id, warnings };
}

/** An unknown network is told as a bad request: to "not found" Docker's client answers by pulling the image. */
function prepareEndpoints(
  { network }: Pick<ContainerContext, "network">,
  request: ReturnType<typeof attachRequest>,
): () => void {
  try {
    return network.prepare(request);
  } catch (cause) {
    if (cause instanceof EngineError && cause.kind === "not-found") throw invalid(cause.message, { cause });
    throw cause;
  }
}
