import type { Spec } from "../../runtime/spec/index.ts";
import { mergeEnvironment } from "../spec/index.ts";
import type { ContainerEdits } from "./spec.ts";

/** The specification with what devices add to it: nodes and the right to use them, mounts, variables. */
export function applyEdits(spec: Spec, edits: readonly ContainerEdits[]): Spec {
  if (edits.length === 0) return spec;
  const nodes = edits.flatMap(({ devices }) => devices);
  const paths = new Set(nodes.map(({ device }) => device.path));
  const { linux, process } = spec;
  return {
    ...spec,
    process: {
      ...process,
      env: mergeEnvironment(
        process.env,
        edits.flatMap(({ env }) => env),
      ),
    },
    mounts: [...spec.mounts, ...edits.flatMap(({ mounts }) => mounts)],
    linux: {
      ...linux,
      devices: [
        ...linux.devices.filter(({ path }) => !paths.has(path)),
        ...nodes.map(({ device }) => device),
      ],
      resources: {
        ...linux.resources,
        devices: [
          ...(linux.resources.devices ?? []),
          ...nodes.map(({ device: { type, major, minor }, access }) => ({
            allow: true,
            rule: `${type} ${major}:${minor} ${access}`,
          })),
        ],
      },
    },
  };
}
