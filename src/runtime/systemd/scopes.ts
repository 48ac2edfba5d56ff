import { spawn } from "node:child_process";
import { once } from "node:events";
import { internal, invalid } from "../../errors/index.ts";
import type { CgroupPlacement, ScopeName } from "../cgroup/index.ts";
import type { LinuxResources } from "../spec/index.ts";
import { connectManager, type ManagerAddress, type ServiceManager } from "./manager.ts";
import { resourceProperties } from "./properties.ts";
import { isSlice, slicePath } from "./slice.ts";

export interface ScopesOptions {
  readonly address: ManagerAddress;
  /** Slice of containers without --cgroup-parent, such as "system.slice". */
  readonly slice: string;
  /** Begins the units' names. */
  readonly prefix: string;
  readonly shimPath: string;
}

/** The scopes of containers: systemd(1) makes their control groups and gives them away (Delegate=). */
export interface Scopes extends CgroupPlacement, AsyncDisposable {
  scopeOf(id: string, parent: string): ScopeName;
  /** A scope with nothing in it but a process that holds it until it is disposed of. Rejects with systemd's words. */
  start(scope: ScopeName, resources: LinuxResources): Promise<AsyncDisposable>;
  /** Path of a scope's group below the root of version 2. */
  groupOf(scope: ScopeName): string;
  /** Change limits of a scope, by the name of its unit; those not given stay. No error when it is gone. */
  limit(unit: string, resources: LinuxResources): Promise<void>;
  /** Whether a control group is below the manager's: from elsewhere a user cannot put a process into his scopes. */
  holds(group: string): boolean;
  /** Ends what is left in a scope, by the name of its unit. No error when it is gone. */
  stop(unit: string): Promise<void>;
}

export const unitOf = ({ prefix, name }: ScopeName): string =>
  `${prefix === "" ? name : `${prefix}-${name}`}.scope`;

/** Rejects with unavailable when systemd does not answer. */
export async function openScopes(options: ScopesOptions): Promise<Scopes> {
  const { address, prefix, shimPath } = options;
  let manager: ServiceManager = await connectManager(address);
  const { controlGroup } = manager;
  /** The bus may have been restarted since. */
  async function connected(): Promise<ServiceManager> {
    if (manager.isClosed()) manager = await connectManager(address);
    return manager;
  }

  function scopeOf(id: string, parent: string): ScopeName {
    if (parent !== "" && !isSlice(parent))
      throw invalid('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"');
    return { slice: parent === "" ? options.slice : parent, prefix, name: id };
  }

  const groupOf = (scope: ScopeName) => `${controlGroup}${slicePath(scope.slice)}/${unitOf(scope)}`;
  async function limit(unit: string, resources: LinuxResources): Promise<void> {
    await (await connected()).setProperties(unit, resourceProperties(resources));
  }

  return {
    driver: "systemd",
    pathOf: (id, parent) => groupOf(scopeOf(id, parent)),
    groupOf,
    // Slices come into being with the first unit in them.
    prepare: () => {},
    scopeOf,
    update: (id, resources) => limit(unitOf(scopeOf(id, "")), resources),
    limit,
    async start(scope, resources) {
      const holder = spawn(shimPath, ["hold"], { stdio: ["pipe", "ignore", "ignore"], env: {} });
      await using undo = new AsyncDisposableStack();
      undo.defer(async () => {
        if (holder.exitCode !== null || holder.signalCode !== null) return;
        const ended = once(holder, "exit");
        holder.kill("SIGKILL");
        await ended;
      });
      if (holder.pid === undefined) throw internal(`${shimPath} cannot be run`);
      await (await connected()).startScope({
        name: unitOf(scope),
        slice: scope.slice,
        description: `container ${scope.name}`,
        pid: holder.pid,
        properties: resourceProperties(resources),
      });
      return undo.move();
    },
    holds: (group) => group.startsWith(`${controlGroup}/`),
    stop: async (unit) => (await connected()).stopScope(unit),
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  };
}
