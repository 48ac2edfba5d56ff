import type { Readable } from "node:stream";
import type { ContainerContext } from "./dependencies.ts";
import { notify } from "./notify.ts";

/** All files of a container as a tar: its image and what it changed, without what is mounted into it. */
export function exportContainer(context: ContainerContext, reference: string): Readable {
  const record = context.table.find(reference);
  const { lower, upper } = context.snapshotter.mount(record.id);
  const files = context.packTree([...(upper === undefined ? [] : [upper]), ...lower]);
  notify(context, record, "export");
  return files;
}
