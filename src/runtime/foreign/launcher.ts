import { internal, messageOf, notFound } from "../../errors/index.ts";
import { LaunchError } from "../task/index.ts";
import { type Task, type TaskLauncher, taskWith } from "../task.ts";
import type { BundleStore, RuntimeBundle } from "./bundle.ts";
import { lastComplaint, runCommand } from "./command.ts";

type Bundle = Omit<RuntimeBundle, "document">;

/**
 * Tasks of other runtimes beside the engine's own. Their shims are the same and own stdio, log and exit status; what
 * only the runtime can do (start what it has created, send a signal, forget it) is asked of its program.
 */
export function withRuntimes(inner: TaskLauncher, store: BundleStore): TaskLauncher {
  const present = (task: Task | undefined, id: string): Task | undefined => {
    const bundle = store.load(id);
    return task === undefined || bundle === undefined ? task : taskOf(task, store, id, bundle);
  };
  return {
    folderOf: (id) => inner.folderOf(id),
    async launch(id, plan, how = {}) {
      const { bundle } = how;
      if (bundle === undefined) return inner.launch(id, plan, how);
      try {
        store.save(id, bundle);
        return taskOf(await inner.launch(id, plan), store, id, bundle);
      } catch (error) {
        const failure = failureOf(error, store, id, bundle);
        await forget(store, id, bundle);
        throw failure;
      }
    },
    reconnect: async (id) => present(await inner.reconnect(id), id),
    planOf: (id) => inner.planOf(id),
    list: async () => [...new Set([...(await inner.list()), ...store.list()])],
    async forget(id) {
      const bundle = store.load(id);
      await inner.forget(id);
      if (bundle !== undefined) await forget(store, id, bundle);
      store.remove(id);
    },
  };
}

function taskOf(task: Task, store: BundleStore, id: string, bundle: Bundle): Task {
  const { containerId, kind } = bundle;
  return taskWith(task, {
    async start() {
      try {
        await task.start();
        if (kind === "exec") return;
        const complaint = await runCommand(store, id, bundle, ["start", containerId]);
        if (complaint !== undefined) throw runtimeError(complaint, kind);
      } catch (error) {
        throw failureOf(error, store, id, bundle);
      }
    },
    async signal(number) {
      if (kind === "exec") return task.signal(number);
      const complaint = await runCommand(store, id, bundle, ["kill", containerId, String(number)]);
      if (complaint === undefined) return;
      if (/not running|no such process|does not exist/i.test(complaint))
        throw notFound("process does not exist");
      throw internal(`the signal ${number} could not be sent: ${complaint}`);
    },
    async remove() {
      await task.remove();
      await forget(store, id, bundle);
    },
  });
}

/** Everything that the runtime has of it; safe to repeat. */
async function forget(store: BundleStore, id: string, bundle: Bundle): Promise<void> {
  if (bundle.kind === "container") {
    const complaint = await runCommand(store, id, bundle, ["delete", "--force", bundle.containerId]);
    if (complaint !== undefined && !/does not exist|no such file/i.test(complaint))
      throw internal(`the runtime ${bundle.runtime.name} could not delete the container: ${complaint}`);
  }
  store.remove(id);
}

/** The runtime's own words say more than that its command failed. */
function failureOf(error: unknown, store: BundleStore, id: string, { kind }: Bundle): unknown {
  if (!(error instanceof LaunchError) || error.failure?.op !== "adopt") return error;
  return runtimeError(lastComplaint(store, id) ?? messageOf(error), kind);
}

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const FAILED = 128;

/** In Docker's words up to the runtime's own. Its clients look for reasons in these, spelled as Go does. */
function runtimeError(said: string, kind: Bundle["kind"]): LaunchError {
  const complaint = said.replace(/: [A-Z][a-z]+(?: [a-z]+)*$/, (reason) => reason.toLowerCase());
  const sentence =
    kind === "exec"
      ? `OCI runtime exec failed: ${complaint}`
      : `failed to create task for container: failed to create shim task: OCI runtime create failed: ${complaint}`;
  const exitCode = /not found in \$PATH|no such file or directory/i.test(complaint)
    ? NOT_FOUND
    : /permission denied|is a directory|exec format error/i.test(complaint)
      ? NOT_EXECUTABLE
      : FAILED;
  return new LaunchError(exitCode === FAILED ? "internal" : "invalid", sentence, exitCode);
}
