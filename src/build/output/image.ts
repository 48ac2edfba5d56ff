import { packLayer } from "../../archive/index.ts";
import { internal } from "../../errors/index.ts";
import type { HistoryEntry, ImageLayer, Lease } from "../../image/index.ts";
import type { ImageConfig } from "../../wire/index.ts";
import type { BuildContext } from "../dependencies.ts";
import type { BuildPlan } from "../plan/plan.ts";
import type { StageState } from "../plan/stage-state.ts";
import type { BuildRequest } from "../service.ts";
import type { Solved, Solver } from "../solve.ts";

/** Tells in history who made a step. */
const COMMENT = "gantry.dockerfile";

/** Write the target as an image under its names. Resolves with its id. */
export async function exportImage(
  context: BuildContext,
  request: BuildRequest,
  plan: BuildPlan,
  solver: Solver,
  solved: Solved,
  lease: Lease,
  signal: AbortSignal,
): Promise<string> {
  const layers = await solved.layers;
  const complete = await Promise.all(
    layers.map((layer) => withBlob(context, layer, solver, plan, lease, signal)),
  );
  const document = await documentOf(request, plan, solver, solved, complete);
  return context.images.assemble({ document, layers: complete, names: request.tags });
}

/** Bring a layer's blob to the disk: as it was packed in this build, or packed again from a cached folder. */
async function withBlob(
  context: BuildContext,
  layer: ImageLayer,
  solver: Solver,
  plan: BuildPlan,
  lease: Lease,
  signal: AbortSignal,
): Promise<ImageLayer> {
  lease.add(layer.blobDigest);
  const present = await context.content.find(layer.blobDigest);
  if (present !== undefined) return { ...layer, blobBytes: present.sizeBytes };
  const made = solver.ingests.get(layer.blobDigest);
  if (made !== undefined) return { ...layer, blobBytes: (await made.commit()).sizeBytes };
  const folder = context.snapshotter.findLayer(layer.chainId)?.folder;
  if (folder === undefined) throw internal(`layer ${layer.chainId} is gone`);
  await using ingest = await context.content.begin();
  const latest = plan.epochSeconds === undefined ? {} : { latestSeconds: plan.epochSeconds };
  const packed = await packLayer({ shim: context.shim, folder, tarPath: ingest.path, ...latest }, signal);
  if (packed.diffId !== layer.blobDigest) {
    throw internal(`the cached layer ${layer.chainId} has changed on the disk: prune the build cache`);
  }
  await ingest.sealWritten(packed.diffId, packed.tarBytes);
  return { ...layer, blobBytes: (await ingest.commit()).sizeBytes };
}

/** OCI image-spec config.md. */
async function documentOf(
  request: BuildRequest,
  plan: BuildPlan,
  solver: Solver,
  solved: Solved,
  layers: readonly ImageLayer[],
): Promise<string> {
  const { target, platform, epochSeconds } = plan;
  const created = new Date(epochSeconds === undefined ? solved.madeAtMs : epochSeconds * 1000).toISOString();
  const { os, architecture, variant } = platform;
  return JSON.stringify({
    created,
    ...(target.author === "" ? {} : { author: target.author }),
    architecture,
    ...(variant === "" ? {} : { variant }),
    os,
    config: configOf(target, request.labels),
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: await historyOf(target, solver, created),
  });
}

function configOf({ config }: StageState, labels: Readonly<Record<string, string>>): ImageConfig {
  const { OnBuild, Cmd, Entrypoint, ...rest } = config;
  const Labels = { ...config.Labels, ...labels };
  return {
    ...rest,
    // As other builders write it: programs look for a PATH here.
    Env: config.Env ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    ...(Entrypoint === undefined || Entrypoint === null ? {} : { Entrypoint }),
    ...(Cmd === undefined || Cmd === null ? {} : { Cmd }),
    ...(OnBuild === undefined || OnBuild === null || OnBuild.length === 0 ? {} : { OnBuild }),
    WorkingDir: config.WorkingDir ?? "/",
    ...(Object.keys(Labels).length === 0 ? {} : { Labels }),
  };
}

async function historyOf(target: StageState, solver: Solver, created: string): Promise<object[]> {
  const below = target.baseHistory.map((entry: HistoryEntry) => ({
    ...(entry.created === undefined ? {} : { created: entry.created }),
    created_by: entry.createdBy,
    ...(entry.comment === "" ? {} : { comment: entry.comment }),
    ...(entry.emptyLayer ? { empty_layer: true } : {}),
  }));
  const own = await Promise.all(
    target.history.map(async ({ createdBy, vertex }) => {
      const layer = vertex === undefined ? undefined : await (await solver.solve(vertex)).own;
      return {
        created,
        created_by: createdBy,
        comment: COMMENT,
        ...(layer === undefined ? { empty_layer: true } : {}),
      };
    }),
  );
  return [...below, ...own];
}
