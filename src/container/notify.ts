import type { ContainerContext } from "./dependencies.ts";
import type { ContainerRecord } from "./record.ts";

/** Publish an event of a container with the attributes that Docker gives: image, name, labels, then `extra`. */
export function notify(
  context: Pick<ContainerContext, "events">,
  record: ContainerRecord,
  action: string,
  extra: Record<string, string> = {},
): void {
  const { config } = record.definition;
  context.events.publish({
    Type: "container",
    Action: action,
    Actor: {
      ID: record.id,
      Attributes: { ...config.Labels, image: config.Image, name: record.name, ...extra },
    },
  });
}
