import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { DecodedPlan, LaunchPlan } from "../plan/index.ts";
import { type Task, type TaskLauncher, taskWith } from "../task.ts";
import { type Scopes, unitOf } from "./scopes.ts";

/**
 * Tasks whose control group is a scope of systemd(1): it is there before the shim is asked to put a process into it, and
 * goes with the task.
 */
export function withScopes(inner: TaskLauncher, scopes: Scopes): TaskLauncher {
  const present = (task: Task | undefined): Task | undefined => {
    const unit = task === undefined ? undefined : unitIn(inner.planOf(task.id));
    return task === undefined || unit === undefined ? task : taskOf(task, scopes, unit);
  };
  return {
    folderOf: (id) => inner.folderOf(id),
    async launch(id, plan, how = {}) {
      if (how.scope === undefined) return inner.launch(id, plan, how);
      const { name, resources } = how.scope;
      const { pids, ...others } = resources;
      await using _holder = await scopes.start(name, others);
      const { operations, limits } = withoutProcessLimit(plan);
      const task = taskOf(await inner.launch(id, { ...plan, operations }, how), scopes, unitOf(name));
      await using undo = new AsyncDisposableStack();
      undo.defer(() => task.remove());
      for (const { path, data } of limits) writeFileSync(path, data);
      if (pids !== undefined) await scopes.limit(unitOf(name), { pids });
      undo.move();
      return task;
    },
    reconnect: async (id) => present(await inner.reconnect(id)),
    planOf: (id) => inner.planOf(id),
    list: () => inner.list(),
    async forget(id) {
      const unit = unitIn(inner.planOf(id));
      await inner.forget(id);
      if (unit !== undefined) await scopes.stop(unit);
    },
  };
}

/** The holder is a process too: with it a container that is allowed one could not have it. So that limit is set afterwards. */
function withoutProcessLimit({ operations }: LaunchPlan) {
  const limits = operations.flatMap((operation) =>
    operation.op === "write-file" && basename(operation.path) === "pids.max" ? [operation] : [],
  );
  const others = operations.filter((operation) => !limits.some((limit) => limit === operation));
  return { operations: others, limits };
}

/** The unit whose group a plan fills; undefined for a plan that only joins one, as that of an exec does. */
function unitIn(plan: DecodedPlan | undefined): string | undefined {
  for (const { op, fields } of plan?.operations ?? []) {
    if (op !== "cgroup-create" || !("path" in fields)) continue;
    const name = basename(String(fields.path));
    if (name.endsWith(".scope")) return name;
  }
  return undefined;
}

function taskOf(task: Task, scopes: Scopes, unit: string): Task {
  return taskWith(task, {
    async remove() {
      await task.remove();
      await scopes.stop(unit);
    },
  });
}
