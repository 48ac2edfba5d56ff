import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { conflict } from "../../errors/index.ts";
import { randomHex, removeTree } from "../../platform/index.ts";
import { keyringOf } from "../compile/index.ts";
import { launchDirectly } from "../task/index.ts";
import type { Task } from "../task.ts";
import { type BundleConfig, type BundleProcess, parseConfig } from "./config.ts";
import { filterOf, type OciContext } from "./context.ts";
import { checkConsole, writePidFile } from "./create.ts";
import { compileBundleExec } from "./plan.ts";

export interface ExecOptions {
  readonly id: string;
  /** The process, made from the container's own. */
  readonly process: (config: BundleConfig) => BundleProcess;
  readonly stays: boolean;
  readonly consoleSocket: string | undefined;
  readonly pidFile: string | undefined;
  readonly preserved: number;
  readonly ignorePaused: boolean;
}

export interface RunningExec extends AsyncDisposable {
  /** Not started yet when the runtime stays; else executed already. */
  readonly task: Task;
}

/** One more process in a container. Dispose of it after its end. */
export async function execInContainer(context: OciContext, options: ExecOptions): Promise<RunningExec> {
  const record = context.store.load(options.id);
  const status = context.store.statusOf(record);
  if (status === "stopped") throw conflict("cannot exec in a stopped container");
  if (status === "paused" && !options.ignorePaused)
    throw conflict("cannot exec in a paused container (use --ignore-paused to override)");
  const config = parseConfig(record.config, record.bundle);
  const process = options.process(config);
  checkConsole(process.terminal, options);

  await using undo = new AsyncDisposableStack();
  const folder = join(context.store.folder(record.id), `exec-${randomHex(8)}`);
  mkdirSync(folder, { mode: 0o711 });
  undo.defer(() => removeTree(folder));
  const operations = compileBundleExec({
    config,
    process,
    layout: context.layout,
    cgroupPath: record.cgroupPath,
    handover: {
      preserved: options.preserved,
      consoleSocket: options.consoleSocket,
      startSocket: undefined,
      keyring: keyringOf(record.id),
    },
    seccomp: await filterOf(context, config),
    pid: record.pid,
  });
  const task = await launchDirectly({
    shimPath: context.shimPath,
    folder,
    plan: options.stays ? { start: "on-request", operations } : { start: "now", leave: true, operations },
    inherited: { stdio: !process.terminal, more: options.preserved },
  });
  if (options.pidFile !== undefined) writePidFile(options.pidFile, task.pid);
  const kept = undo.move();
  return { task, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
