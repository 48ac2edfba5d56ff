import type { Vertex } from "../../plan/vertex.ts";
import type { BuildRequest } from "../../service.ts";
import type { Solver } from "../../solve.ts";
import { formatInlineRecords } from "./config.ts";
import { resultsOf } from "./results.ts";

/** `--cache-to type=inline`, or BuildKit's build argument for it. */
export const hasInlineCache = ({ cacheTo, buildArgs }: BuildRequest): boolean =>
  cacheTo.some(({ kind }) => kind === "inline") || buildArgs.get("BUILDKIT_INLINE_CACHE") === "1";

/** What an image's config says of the steps that made its layers. */
export async function inlineRecords(solver: Solver, target: Vertex): Promise<string> {
  const results = await resultsOf(solver, target, "min");
  return formatInlineRecords(
    results.flatMap(({ keys, layers, madeAtMs }) =>
      // One key each, the recipe's: a build that takes it all from a cache knows no other, and shall give the same image.
      keys.slice(0, 1).map((key) => ({ key, layer: layers.length - 1, createdAtMs: madeAtMs })),
    ),
  );
}
