import { invalid } from "../../errors/index.ts";
import { familiarString, parseReference } from "../../reference/index.ts";
import type { BuildContext } from "../dependencies.ts";
import { inputsOf, type Vertex } from "../plan/vertex.ts";
import type { Solved } from "../solve.ts";
import { scanPackages } from "./packages/scan.ts";
import { PROVENANCE_TYPE, type ProvenanceFacts, provenance } from "./provenance.ts";
import { SPDX_TYPE, spdxDocument } from "./spdx.ts";

/** Attach to an image what the request wants to be said of it. Throws invalid for an image whose files cannot be read. */
export async function attestImage(
  context: BuildContext,
  facts: Omit<ProvenanceFacts, "images" | "finishedAtMs">,
  solved: Solved,
  signal: AbortSignal,
): Promise<void> {
  const { request, plan, imageId } = facts;
  const { sbom, provenance: mode } = request.attestations;
  if (!sbom && mode === undefined) return;
  const predicates: { type: string; predicate: object }[] = [];
  if (sbom) {
    const [tag] = request.tags;
    const name = tag === undefined ? imageId : familiarString(parseReference(tag));
    const createdAt = context.images.inspect(imageId).Created ?? "";
    if (createdAt === "") throw invalid("the image does not tell when it was made");
    const inventory =
      solved.lower.length === 0
        ? { packages: [], unread: [] }
        : await scanPackages(context, solved.lower, signal);
    // SPDX knows whole seconds.
    const seconds = `${createdAt.slice(0, 19)}Z`;
    predicates.push({
      type: SPDX_TYPE,
      predicate: spdxDocument(inventory, { name, imageId, createdAt: seconds }),
    });
  }
  if (mode !== undefined) {
    const images = sourcesOf(plan.target.top);
    predicates.push({
      type: PROVENANCE_TYPE,
      predicate: provenance({ ...facts, images, finishedAtMs: Date.now() }, mode),
    });
  }
  using lease = context.images.lease();
  await context.images.attest(imageId, predicates, request.tags, lease, signal);
}

/** The images that a vertex and all below it come from. */
function sourcesOf(target: Vertex): { reference: string; id: string }[] {
  const found = new Map<string, string>();
  const seen = new Set<Vertex>();
  const waiting: Vertex[] = [target];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (at.kind === "source" && at.imageId !== undefined) found.set(at.reference, at.imageId);
    waiting.push(...inputsOf(at));
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([reference, id]) => ({ reference, id }));
}
