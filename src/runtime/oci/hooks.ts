import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { internal } from "../../errors/index.ts";
import type { PlanHook } from "../plan/index.ts";
import type { Hook, HookName } from "./config.ts";
import type { StateReport } from "./state.ts";

const PID_DIGITS = 10;

/** The state as the stdin of a hook that the new process runs itself: blanks stand where its id belongs. */
export function stateWithRoomForPid(state: Omit<StateReport, "pid">): Pick<PlanHook, "state" | "pidOffset"> {
  const marker = '"pid":0';
  const json = JSON.stringify({ ...state, pid: 0 });
  const at = Buffer.byteLength(json.slice(0, json.indexOf(marker))) + marker.length - 1;
  const bytes = Buffer.from(json.replace(marker, `"pid":${" ".repeat(PID_DIGITS)}`));
  return { state: bytes, pidOffset: at };
}

/**
 * Run hooks in this process's own namespaces, one after another, each with the container's state on its stdin (OCI
 * runtime-spec, config.md, POSIX-platform hooks). Throws internal at the first that fails or takes too long.
 */
export async function runHooks(name: HookName, hooks: readonly Hook[], state: StateReport): Promise<void> {
  for (const [index, hook] of hooks.entries()) {
    const why = await runHook(hook, state);
    if (why !== undefined) throw internal(`error running ${name} hook #${index}: ${hook.path}: ${why}`);
  }
}

async function runHook(hook: Hook, state: StateReport): Promise<string | undefined> {
  const [argv0 = hook.path, ...args] = hook.args;
  const child = spawn(hook.path, args, {
    argv0,
    env: Object.fromEntries(
      hook.env.map((entry) => [entry.split("=", 1)[0], entry.slice(entry.indexOf("=") + 1)]),
    ),
    cwd: state.bundle,
    stdio: ["pipe", "ignore", "pipe"],
  });
  let late = false;
  const limit =
    hook.timeoutSeconds === 0
      ? undefined
      : setTimeout(() => {
          late = true;
          child.kill("SIGKILL");
        }, hook.timeoutSeconds * 1000);
  const { promise: ended, resolve } = Promise.withResolvers<string | undefined>();
  child.once("error", (error) => resolve(error.message));
  child.once("exit", (code, signal) =>
    resolve(code === 0 ? undefined : signal === null ? `exit status ${code}` : `signal ${signal}`),
  );
  // A hook may end without having read its stdin.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(state));
  const complaint = text(child.stderr).catch(() => "");
  const why = await ended;
  clearTimeout(limit);
  if (late) return `took longer than its timeout of ${hook.timeoutSeconds} s`;
  if (why === undefined) return undefined;
  const words = (await complaint).trim();
  return words === "" ? why : `${why}: ${words}`;
}
