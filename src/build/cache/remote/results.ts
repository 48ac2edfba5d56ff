import type { ImageLayer } from "../../../image/index.ts";
import { chainOf, inputsOf, type Vertex } from "../../plan/vertex.ts";
import type { CacheMode } from "../../service.ts";
import type { Solver } from "../../solve.ts";

/** A result and the names under which it is found again. */
export interface BuildResult {
  readonly keys: readonly string[];
  /** Base first. */
  readonly layers: readonly ImageLayer[];
  readonly madeAtMs: number;
}

/**
 * The results that a cache of a build has, each under its keys: of the chain of `target` alone ("min"), or of all that was
 * made and all that is known already ("max").
 */
export async function resultsOf(solver: Solver, target: Vertex, mode: CacheMode): Promise<BuildResult[]> {
  if (mode === "max") await solveKnown(solver, target);
  const results: BuildResult[] = [];
  for (const vertex of mode === "max" ? solver.made : chainOf(target)) {
    if (vertex.kind === "source") continue;
    const { layers, madeAtMs } = await solver.solve(vertex);
    results.push({ keys: await solver.keysOf(vertex), layers: await layers, madeAtMs });
  }
  return results;
}

/** What was not looked at because results were known without it is part of the cache as well, if it is had without work. */
async function solveKnown(solver: Solver, target: Vertex): Promise<void> {
  const seen = new Set<Vertex>();
  const waiting = [target];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    waiting.push(...inputsOf(at));
    if (!solver.made.has(at) && (await solver.isKnown(at))) await solver.solve(at);
  }
}
