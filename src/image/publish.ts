import type { ImageContext } from "./context.ts";
import type { ImageRecord } from "./table.ts";

/** Tell who listens what happened to an image; `name` is what the event is about, its id or a familiar name. */
export function publishImageEvent(
  context: ImageContext,
  action: "load" | "import" | "tag" | "untag" | "delete" | "pull" | "push" | "save",
  actorId: string,
  name: string,
  image: ImageRecord | undefined,
): void {
  const Attributes = { ...(image?.document.config.Labels ?? {}), name };
  context.events.publish({ Type: "image", Action: action, Actor: { ID: actorId, Attributes } });
}
