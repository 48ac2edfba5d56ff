import { EngineError } from "../errors/index.ts";
import type { ResolvedImage } from "../image/index.ts";
import { parseReference } from "../reference/index.ts";
import type { Accounts } from "../registry/index.ts";
import type { BuildContext } from "./dependencies.ts";
import type { BuildEvent, StepInfo } from "./events.ts";
import { type ImageSource, scratch } from "./plan/plan.ts";
import { formatPlatform, type Platform } from "./plan/platform.ts";
import type { StageState } from "./plan/stage-state.ts";

/** Base images from the engine's own table; what is not here, or shall be fresh, is pulled. */
export function baseImages(
  context: BuildContext,
  {
    pull,
    tell,
    accounts,
  }: {
    pull: boolean;
    tell: (event: BuildEvent) => void;
    accounts: Accounts;
  },
  signal: AbortSignal,
): ImageSource {
  /** By platform and reference. */
  const found = new Map<string, Promise<ResolvedImage>>();

  async function fetch(reference: string, platform: string | undefined): Promise<ResolvedImage> {
    if (!pull) {
      try {
        return await context.images.resolve(reference, platform);
      } catch (error) {
        if (!(error instanceof EngineError) || error.kind !== "not-found") throw error;
        // A known image of another platform is an error that no pull mends by itself, but the registry may have this one.
      }
    }
    const credentials = accounts(parseReference(reference).registry);
    const where = {
      ...(platform === undefined ? {} : { platform }),
      ...(credentials === undefined ? {} : { credentials }),
    };
    for await (const { status, id } of context.images.pull(reference, where, signal)) {
      if (status !== undefined) tell({ kind: "note", text: id === undefined ? status : `${id}: ${status}` });
    }
    return context.images.resolve(reference, platform);
  }

  return {
    async stageFrom(reference, { platform, isGiven }, name, step): Promise<StageState> {
      if (reference === "scratch") return empty(name, platform, step);
      const wanted = isGiven ? formatPlatform(platform) : undefined;
      const key = `${wanted ?? ""} ${reference}`;
      const known = found.get(key) ?? fetch(reference, wanted);
      found.set(key, known);
      const image = await known;
      const made = context.images.layersOf(image.id);
      return {
        ...empty(name, platform, step),
        top: { kind: "source", imageId: image.id, reference, step },
        config: structuredClone(image.config),
        author: made?.document.author ?? "",
        baseHistory: made?.document.history ?? [],
        baseImageId: image.id,
      };
    },
  };
}

const empty = (name: string, platform: Platform, step: StepInfo | undefined): StageState => ({
  name,
  platform,
  top: scratch(step),
  config: {},
  author: "",
  args: new Map(),
  hasOwnCommand: false,
  baseHistory: [],
  baseImageId: undefined,
  history: [],
});
