import type { ContainerConfig, ImageConfig } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { notify } from "./notify.ts";
import type { CommitOptions } from "./service.ts";
import { isRunning } from "./state.ts";

/**
 * Make an image of what a container has changed. With `pause` its processes stand still meanwhile, so that the files
 * fit each other; one that is paused already stays so. Resolves with the image's id.
 */
export async function commitContainer(
  context: ContainerContext,
  reference: string,
  options: CommitOptions,
  signal: AbortSignal,
): Promise<string> {
  const { id } = context.table.find(reference);
  using _lock = await context.locks.acquire(id);
  const record = context.table.find(id);
  const { config, imageId } = record.definition;
  const mustPause =
    options.pause && context.groups.exist && isRunning(record.state) && record.state.status !== "paused";
  const groups = context.groups.of(record);
  if (mustPause) await groups.freeze();
  let image: string;
  try {
    const { upper = "" } = context.snapshotter.mount(id);
    image = await context.images.commit(
      {
        imageId,
        changedFolder: upper,
        config: { ...imageConfigOf(config), ...options.config },
        changes: options.changes,
        author: options.author,
        comment: options.comment,
        createdBy: (config.Cmd ?? []).join(" "),
        repository: options.repository,
        tag: options.tag,
      },
      signal,
    );
  } finally {
    if (mustPause) groups.thaw();
  }
  const named = options.repository === "" ? "" : [options.repository, options.tag].filter(Boolean).join(":");
  notify(context, record, "commit", { comment: options.comment, imageID: image, imageRef: named });
  return image;
}

/** What of a container's settings an image carries on. */
function imageConfigOf(config: ContainerConfig): ImageConfig {
  const image: ImageConfig = {
    User: config.User,
    Env: config.Env,
    Cmd: config.Cmd,
    Entrypoint: config.Entrypoint,
    WorkingDir: config.WorkingDir,
    Labels: config.Labels,
    Volumes: config.Volumes,
    OnBuild: config.OnBuild ?? null,
  };
  if (config.ExposedPorts !== undefined) image.ExposedPorts = config.ExposedPorts;
  if (config.Healthcheck !== undefined) image.Healthcheck = config.Healthcheck;
  if (config.StopSignal !== undefined) image.StopSignal = config.StopSignal;
  if (config.Shell !== undefined) image.Shell = config.Shell;
  return image;
}
