import { join } from "node:path";
import { runStep } from "../../container/index.ts";
import { EngineError } from "../../errors/index.ts";
import { randomHex } from "../../platform/index.ts";
import { LaunchError } from "../../runtime/index.ts";
import type { BuildContext } from "../dependencies.ts";
import type { BuildEvent } from "../events.ts";
import type { RunVertex } from "../plan/vertex.ts";
import { type RunOptions, stepOf } from "./run.ts";
import { openMounts } from "./run-mounts.ts";
import { openTree } from "./working-tree.ts";

/**
 * Let the client look around in the state before a step that failed, with the step's mounts, environment and user. Resolves
 * when it has left the shell; what it changed is thrown away. Never rejects for the shell's own sake: the step has failed
 * already, and that is what the build ends with.
 */
export async function offerShell(
  context: BuildContext,
  vertex: RunVertex,
  lower: readonly string[],
  options: RunOptions,
  tell: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const id = randomHex(16);
  await using session = context.shells.open(id);
  tell({ kind: "shell", step: vertex.step.step, id });
  const client = await session.client(signal);
  const folder = join(context.runFolder, randomHex(8));
  await using undo = new AsyncDisposableStack();
  const { draft, tree } = await openTree(context, lower);
  undo.defer(() => context.snapshotter.discard(draft));
  const mounts = undo.use(await openMounts(vertex, { context, ...options, folder, signal }));
  const step = stepOf({ ...vertex, args: [vertex.shell] }, tree, mounts, folder, options.request);
  try {
    await runStep(
      context.steps,
      { ...step, terminal: client.terminal },
      (_, bytes) => client.write(bytes),
      AbortSignal.any([signal, client.gone]),
    );
  } catch (error) {
    if (error instanceof LaunchError) client.write(Buffer.from(`${error.message}\r\n`));
    else if (!(error instanceof EngineError && error.kind === "cancelled")) throw error;
  }
}
