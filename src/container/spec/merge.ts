import type { ContainerConfig, ImageConfig } from "../../wire/index.ts";
import { mergeHealth } from "../health/config.ts";

/**
 * What a container runs with: its own config over its image's, by Docker's rules. An own entrypoint drops the image's
 * command; maps are united with the container's entries winning; environment is united by name.
 */
export function mergeImageConfig(own: ContainerConfig, image: ImageConfig): ContainerConfig {
  const ownEntrypoint = own.Entrypoint ?? [];
  // [""] is how a client resets the image's entrypoint.
  const resetsEntrypoint = ownEntrypoint.length === 1 && ownEntrypoint[0] === "";
  const hasOwnEntrypoint = ownEntrypoint.length > 0;
  const hasOwnCommand = own.Cmd !== null && own.Cmd.length > 0;
  const command = hasOwnCommand || hasOwnEntrypoint ? own.Cmd : (image.Cmd ?? null);
  const entrypoint = resetsEntrypoint ? null : hasOwnEntrypoint ? own.Entrypoint : (image.Entrypoint ?? null);
  const volumes = { ...image.Volumes, ...own.Volumes };
  const { ExposedPorts, ...others } = own;
  const exposed = { ...image.ExposedPorts, ...ExposedPorts };
  const health = mergeHealth(own.Healthcheck, image.Healthcheck);
  const stopSignal = own.StopSignal ?? image.StopSignal;
  return {
    ...others,
    User: own.User || (image.User ?? ""),
    WorkingDir: own.WorkingDir || (image.WorkingDir ?? ""),
    Env: mergeEnvironment(image.Env ?? [], own.Env),
    Cmd: command,
    Entrypoint: entrypoint,
    ...(Object.keys(exposed).length === 0 ? {} : { ExposedPorts: exposed }),
    Volumes: Object.keys(volumes).length === 0 ? null : volumes,
    Labels: { ...image.Labels, ...own.Labels },
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
    ...(health === undefined ? {} : { Healthcheck: health }),
    OnBuild: null,
  };
}

/** The image's variables, replaced or joined by the container's; "NAME" without a value takes a name away. */
export function mergeEnvironment(image: readonly string[], own: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.split("=", 1)[0] ?? "";
  const replaced = new Set(own.map(nameOf));
  return [
    ...own.filter((entry) => entry.includes("=")),
    ...image.filter((entry) => !replaced.has(nameOf(entry))),
  ];
}
