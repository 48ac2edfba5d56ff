import type { HistoryEntry, ImageLayer, Lease } from "../../image/index.ts";
import type { ImageConfig } from "../../wire/index.ts";
import { INLINE_KEY } from "../cache/remote/config.ts";
import { hasInlineCache, inlineRecords } from "../cache/remote/inline.ts";
import type { BuildContext } from "../dependencies.ts";
import type { BuildPlan } from "../plan/plan.ts";
import type { StageState } from "../plan/stage-state.ts";
import type { BuildRequest } from "../service.ts";
import type { Solved, Solver } from "../solve.ts";
import { withBlob } from "./layer-blob.ts";

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
  const how = { ingests: solver.ingests, epochSeconds: plan.epochSeconds, lease };
  const complete = await Promise.all(layers.map((layer) => withBlob(context, layer, how, signal)));
  const document = await documentOf(request, plan, solver, solved, complete);
  return context.images.assemble({ document, layers: complete, names: request.tags });
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
    ...(hasInlineCache(request) ? { [INLINE_KEY]: await inlineRecords(solver, target.top) } : {}),
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
