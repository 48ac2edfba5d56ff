import { join } from "node:path";
import { writeFileAtomic } from "../../platform/index.ts";
import type { Operation } from "../../runtime/index.ts";
import { type Hook, hookOperations, runHooks, stateWithRoomForPid } from "../../runtime/oci/index.ts";
import type { Spec } from "../../runtime/spec/index.ts";
import { DEVICE_HOOKS, type DeviceHook } from "./spec.ts";

export interface HookInput {
  readonly id: string;
  readonly hooks: readonly DeviceHook[];
  readonly spec: Spec;
  /** A folder of the container's own, which hooks are told of as its bundle. */
  readonly bundle: string;
  /** Where the root is mounted, in the container's mount namespace. */
  readonly root: string;
}

export interface PlannedHooks {
  readonly beforePivot: readonly Operation[];
  readonly atStart: readonly Operation[];
  /** Run, in the engine's own namespaces, what the launch waits for. Throws internal at the first that fails. */
  run(pid: number): Promise<void>;
}

export const hooksByName = (hooks: readonly DeviceHook[]): Record<DeviceHook["name"], Hook[]> => {
  const of = (name: DeviceHook["name"]) => hooks.filter((item) => item.name === name).map(({ hook }) => hook);
  return Object.fromEntries(DEVICE_HOOKS.map((name) => [name, of(name)])) as Record<
    DeviceHook["name"],
    Hook[]
  >;
};

/** The hooks of devices at the points of a launch that the specification gives them (OCI runtime-spec, runtime.md). */
export function planDeviceHooks({ id, hooks, spec, bundle, root }: HookInput): PlannedHooks {
  const by = hooksByName(hooks);
  const state = { ociVersion: spec.ociVersion, id, status: "creating" as const, bundle };
  return {
    beforePivot: [
      { op: "runtime-hooks" },
      ...hookOperations(by.createContainer, "now", stateWithRoomForPid(state)),
    ],
    atStart: hookOperations(
      by.startContainer,
      "at-start",
      stateWithRoomForPid({ ...state, status: "created" }),
    ),
    async run(pid) {
      const config = { ...spec, root: { ...spec.root, path: root } };
      writeFileAtomic(join(bundle, "config.json"), JSON.stringify(config), 0o600);
      await runHooks("prestart", by.prestart, { ...state, pid });
      await runHooks("createRuntime", by.createRuntime, { ...state, pid });
    },
  };
}
