import { type DeviceFlag, type Dockerfile, parseDockerfile } from "../dockerfile/index.ts";
import { EngineError, invalid } from "../errors/index.ts";
import { randomHex } from "../platform/index.ts";
import { attestImage } from "./attest/attest.ts";
import { baseImages } from "./base-images.ts";
import { pruneToLimit } from "./cache/prune.ts";
import { Recipes } from "./cache/recipe.ts";
import type { CacheLayout } from "./cache/remote/layouts.ts";
import { readCacheSources } from "./cache/remote/sources.ts";
import { writeCacheTargets } from "./cache/remote/targets.ts";
import { lint } from "./check.ts";
import { takeContext } from "./context/incoming.ts";
import { ContextTrees } from "./context/trees.ts";
import type { BuildContext } from "./dependencies.ts";
import { devicesOf } from "./devices.ts";
import { type BuildEvent, EventQueue } from "./events.ts";
import { BuildFailure } from "./failure.ts";
import type { Finding } from "./finding.ts";
import type { BuildHistory } from "./history.ts";
import { exportImage } from "./output/image.ts";
import { planBuild } from "./plan/plan.ts";
import type { BuildRequest } from "./service.ts";
import { Solver } from "./solve.ts";

/** Run a build; see `BuildService.build`. */
export async function* runBuild(
  context: BuildContext,
  history: BuildHistory,
  request: BuildRequest,
  signal: AbortSignal,
): AsyncGenerator<BuildEvent> {
  const queue = new EventQueue();
  const left = new AbortController();
  using _known = context.running.add(request.id, left);
  const either = AbortSignal.any([signal, left.signal]);
  const entry = history.begin(randomHex(12), request);
  const tell = (event: BuildEvent) => {
    entry.see(event);
    queue.push(event);
  };
  const working = work(context, request, tell, either)
    .then(
      () => entry.end(undefined),
      (error: unknown) => {
        entry.end(error);
        throw error;
      },
    )
    .finally(() => queue.end());
  // The reader meets the failure after the last event.
  working.catch(() => undefined);
  try {
    yield* queue.read();
    await working;
  } finally {
    // A reader that goes away stops the build, and waits until nothing of it runs any more.
    left.abort();
    await working.catch(() => undefined);
  }
}

async function work(
  context: BuildContext,
  request: BuildRequest,
  hear: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const startedAtMs = Date.now();
  const begun = new Set<number>();
  const tell = (event: BuildEvent) => {
    if (event.kind === "started") begun.add(event.step);
    hear(event);
  };
  const secrets = context.secrets.take(request.session);
  await using files = await takeContext(context, request.source, request.dockerfile, signal);
  await using trees = await ContextTrees.take(context, request, files.tree, signal);
  let parsed: Dockerfile | undefined;
  try {
    parsed = parseDockerfile(files.dockerfile.text, files.dockerfile.name);
    const warnings = new Warnings(tell);
    warnings.take(lint(context, request, parsed, files));
    const images = baseImages(context, { pull: request.pull, tell, accounts: request.accounts }, signal);
    const devices = (flags: readonly DeviceFlag[]) => devicesOf(context, request, flags, tell);
    const plan = await planBuild(parsed, request, images, devices);
    // Once more: images that had to be pulled are known now, and with them the variables that they set.
    warnings.take(lint(context, request, parsed, files));
    tell({ kind: "plan", steps: plan.steps });
    using lease = context.images.lease();
    using layouts = takeLayouts(context, request);
    const warn = (text: string) => tell({ kind: "note", text });
    const foreign = await readCacheSources(context, request, layouts.byName, warn, signal);
    const recipes = new Recipes({
      request,
      files: trees,
      epochSeconds: plan.epochSeconds,
      chainOf: (id) => context.images.layersOf(id)?.layers.at(-1)?.chainId,
    });
    await using solver = new Solver(
      {
        context,
        request,
        files: trees,
        secrets,
        epochSeconds: plan.epochSeconds,
        tell,
        lease,
        target: plan.target.top,
        recipes,
        foreign,
      },
      signal,
    );
    const solved = await solver.run(plan.target.top);
    // Steps that change nothing but the config are done when all others are; those that nobody asked for were not needed,
    // because a cache has what was made of them.
    for (const { step, isMetadata, text } of plan.steps) {
      if (begun.has(step)) continue;
      const cached = !isMetadata && !/^FROM\b/i.test(text);
      tell({ kind: "started", step, atMs: Date.now() });
      tell({ kind: "finished", step, atMs: Date.now(), cached, result: "" });
    }
    const id = await exportImage(context, request, plan, solver, solved, lease, signal);
    const { dockerfile } = files;
    await attestImage(context, { request, plan, dockerfile, imageId: id, startedAtMs }, solved, signal);
    await writeCacheTargets({ context, request, plan, solver, imageId: id, tell: warn }, signal);
    if (plan.unusedArgs.length > 0)
      tell({
        kind: "note",
        text: `[Warning] One or more build-args [${plan.unusedArgs.join(" ")}] were not consumed`,
      });
    tell({ kind: "image", id, tags: request.tags });
  } catch (error) {
    throw error instanceof EngineError ? new BuildFailure(error, files.dockerfile, parsed) : error;
  }
  await pruneToLimit(context);
  // Blobs that came from or were made for other machines have no owner here, nor have plain ones that were compressed.
  const { sbom, provenance } = request.attestations;
  if (request.cacheFrom.length + request.cacheTo.length > 0 || sbom || provenance !== undefined)
    await context.images.collectGarbage();
}

/** What checks find, each finding told once however often the checks are made. */
class Warnings {
  readonly #told = new Set<string>();
  readonly #tell: (event: BuildEvent) => void;

  constructor(tell: (event: BuildEvent) => void) {
    this.#tell = tell;
  }

  /** Throws invalid when the Dockerfile wants findings to fail its build. */
  take({ findings, fails }: { findings: readonly Finding[]; fails: boolean }): void {
    for (const finding of findings) {
      const key = JSON.stringify(finding);
      if (!this.#told.has(key)) this.#tell({ kind: "warning", finding });
      this.#told.add(key);
    }
    const rules = new Set(findings.map(({ rule }) => rule));
    if (fails) throw invalid(`lint violation found for rules: ${[...rules].join(", ")}`);
  }
}

/** The caches that the client sent for this build; held until it ends. */
function takeLayouts({ cacheLayouts }: BuildContext, { cacheFrom, session }: BuildRequest) {
  const byName = new Map<string, CacheLayout>();
  for (const source of cacheFrom) {
    const layout = source.kind === "local" ? cacheLayouts.take(session, source.name) : undefined;
    if (layout !== undefined && source.kind === "local") byName.set(source.name, layout);
  }
  return {
    byName,
    [Symbol.dispose]() {
      for (const layout of byName.values()) layout[Symbol.dispose]();
    },
  };
}
