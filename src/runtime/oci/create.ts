import { statSync } from "node:fs";
import { dirname } from "node:path";
import { invalid } from "../../errors/index.ts";
import { writeFileAtomic } from "../../platform/index.ts";
import { destroyGroup, prepareCgroupParent } from "../cgroup/index.ts";
import { keyringOf } from "../compile/index.ts";
import { unitOf } from "../systemd/index.ts";
import { launchDirectly } from "../task/index.ts";
import type { Task } from "../task.ts";
import { type BundleConfig, type BundleProcess, readBundle } from "./config.ts";
import { filterOf, type OciContext } from "./context.ts";
import { runHooks, stateWithRoomForPid } from "./hooks.ts";
import { cgroupPathOf, scopeOf } from "./layout.ts";
import { compileBundle } from "./plan.ts";
import { type ContainerRecord, reportOf, startTicks } from "./state.ts";

export interface CreateOptions {
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  /** Whether the runtime stays as the parent of the process (a foreground `run`), or leaves it to the caller. */
  readonly stays: boolean;
  readonly consoleSocket: string | undefined;
  readonly pidFile: string | undefined;
  /** Descriptors from 3 on that are passed on. */
  readonly preserved: number;
  /** How many of them are sockets that systemd(1) handed over, which the process is told of (sd_listen_fds(3)). */
  readonly listening: number;
  readonly newKeyring: boolean;
}

const NEVER_STARTED = "0";

/**
 * Everything up to the program's start (OCI runtime-spec, runtime.md, life cycle 1 to 6). What fails is taken back, and
 * nothing is left behind. The process waits for `start`; of a runtime that stays the task is given.
 */
export async function createContainer(
  context: OciContext,
  options: CreateOptions,
): Promise<{ record: ContainerRecord; task: Task }> {
  const { id, bundle } = options;
  const { config, text } = readBundle(bundle);
  if (config.process === undefined) throw invalid("config.json: process must be given");
  const process = withListening(config.process, options.listening);
  checkConsole(process.terminal, options);
  checkRoot(config);
  const scope = context.systemd ? scopeOf(config.cgroupsPath, id) : undefined;
  await using scopes = scope === undefined ? undefined : await context.openScopes();
  const cgroupPath =
    scope === undefined || scopes === undefined
      ? cgroupPathOf(config.cgroupsPath, id)
      : scopes.groupOf(scope);
  const draft: ContainerRecord = {
    id,
    bundle,
    pid: 0,
    pidStartTicks: NEVER_STARTED,
    createdAt: new Date().toISOString(),
    cgroupPath,
    ...(scope === undefined ? {} : { unit: unitOf(scope) }),
    owner: "",
    config: text,
  };
  await using undo = new AsyncDisposableStack();
  const folder = context.store.reserve(id);
  undo.defer(() => context.store.remove(id));
  undo.defer(() => destroyGroup(context.layout, cgroupPath));
  if (scope === undefined) prepareCgroupParent(context.layout, dirname(cgroupPath));
  // Until the container has a process of its own in there.
  await using _holder = scope === undefined ? undefined : await scopes?.start(scope, config.resources);
  const report = reportOf(draft, "creating");
  const operations = compileBundle({
    config,
    process,
    layout: context.layout,
    cgroupPath,
    handover: {
      preserved: options.preserved,
      consoleSocket: options.consoleSocket,
      startSocket: options.stays ? undefined : context.store.startSocket(id),
      keyring: options.newKeyring ? keyringOf(id) : undefined,
    },
    seccomp: await filterOf(context, config),
    hookState: (status) => stateWithRoomForPid({ ...report, status }),
  });
  const task = await launchDirectly({
    shimPath: context.shimPath,
    folder,
    plan: { start: "on-request", leave: !options.stays, operations },
    inherited: { stdio: !process.terminal, more: options.preserved },
    onHooks: async (pid) => {
      await runHooks("prestart", config.hooks.prestart, { ...report, pid });
      await runHooks("createRuntime", config.hooks.createRuntime, { ...report, pid });
    },
  });
  const record = { ...draft, pid: task.pid, pidStartTicks: startTicks(task.pid) ?? NEVER_STARTED };
  context.store.save(record);
  if (options.pidFile !== undefined) writePidFile(options.pidFile, task.pid);
  undo.move();
  return { record, task };
}

function withListening(process: BundleProcess, count: number): BundleProcess {
  if (count === 0) return process;
  return { ...process, env: [...process.env, `LISTEN_FDS=${count}`, "LISTEN_PID=1"] };
}

export const writePidFile = (file: string, pid: number): void => writeFileAtomic(file, String(pid), 0o644);

/** In runc's words, which callers know. */
export function checkConsole(
  terminal: boolean,
  { stays, consoleSocket }: Pick<CreateOptions, "stays" | "consoleSocket">,
): void {
  if (terminal && !stays && consoleSocket === undefined)
    throw invalid("cannot allocate tty if runc will detach without setting console socket");
  if (consoleSocket !== undefined && (!terminal || stays))
    throw invalid("cannot use console socket if runc will not detach or allocate tty");
}

function checkRoot({ root }: BundleConfig): void {
  const stat = statSync(root.path, { throwIfNoEntry: false });
  if (stat === undefined) throw invalid(`rootfs (${root.path}) does not exist`);
  if (!stat.isDirectory()) throw invalid(`rootfs (${root.path}) is not a directory`);
}
