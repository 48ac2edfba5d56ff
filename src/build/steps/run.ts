import { createHash } from "node:crypto";
import { join } from "node:path";
import { runStep, type StepRequest } from "../../container/index.ts";
import { randomHex } from "../../platform/index.ts";
import { LaunchError } from "../../runtime/index.ts";
import type { SnapshotMount } from "../../snapshot/index.ts";
import type { DeviceRequest } from "../../wire/index.ts";
import type { BuildContext } from "../dependencies.ts";
import { StepError } from "../events.ts";
import type { RunMount, RunVertex } from "../plan/vertex.ts";
import type { BuildRequest, OfferedSecrets } from "../service.ts";
import { type OpenMounts, openMounts } from "./run-mounts.ts";
import type { SourceTree } from "./source-tree.ts";
import { removeStubs } from "./stubs.ts";

export interface RunOptions {
  readonly request: BuildRequest;
  readonly secrets: OfferedSecrets;
  readonly treeOf: (mount: RunMount) => SourceTree | undefined;
  readonly write: (stream: 1 | 2, bytes: Buffer) => void;
}

/** BuildKit's name for the machine that a step sees: a constant, so that results do not depend on chance. */
const HOSTNAME = "buildkitsandbox";
/** Of a failed command's output, kept for the message. */
const LAST_LINES = 10;

/** Run the command in the tree and leave in its upper folder what the command changed. Throws StepError for a code other than 0. */
export async function executeRun(
  context: BuildContext,
  vertex: RunVertex,
  tree: SnapshotMount,
  { request, secrets, treeOf, write }: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(context.runFolder, randomHex(8));
  await using mounts = await openMounts(vertex, { context, treeOf, secrets, folder, signal });
  const tail = new Tail();
  const step = stepOf(vertex, tree, mounts, folder, request);
  let exitCode: number;
  let why = "";
  try {
    const status = await runStep(
      context.steps,
      step,
      (stream, bytes) => {
        tail.add(bytes);
        write(stream, bytes);
      },
      signal,
    );
    exitCode = status.exitCode;
    if (status.oomKilled) why = " (out of memory)";
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    throw new StepError(vertex.step, error.message, { cause: error, exitCode: error.exitCode });
  }
  if (exitCode !== 0) {
    const command = vertex.args.join(" ");
    throw new StepError(vertex.step, `The command '${command}' returned a non-zero code: ${exitCode}${why}`, {
      exitCode,
      output: tail.lines(),
    });
  }
  const { devices } = vertex;
  const edits = devices.length === 0 ? [] : context.cdi.resolve([requestOf(devices)]);
  const ofDevices = edits.flatMap((edit) => edit.mounts.map(({ destination }) => destination));
  removeStubs(tree, [...mounts.targets, ...ofDevices]);
}

/** The command as the engine runs it, in a tree and with its mounts. */
export function stepOf(
  vertex: RunVertex,
  tree: SnapshotMount,
  { mounts, env }: OpenMounts,
  folder: string,
  request: BuildRequest,
): StepRequest {
  return {
    folder: join(folder, "files"),
    tree,
    mounts,
    args: vertex.args,
    env: [...vertex.hiddenEnv, ...vertex.env, ...env],
    workingDir: vertex.workingDir,
    user: vertex.user,
    hostname: request.buildArgs.get("BUILDKIT_SANDBOX_HOSTNAME") ?? HOSTNAME,
    network: vertex.network,
    privileged: vertex.privileged,
    host: {
      ...request.limits,
      ExtraHosts: [...request.extraHosts],
      ...(vertex.devices.length === 0 ? {} : { DeviceRequests: [requestOf(vertex.devices)] }),
    },
  };
}

const requestOf = (devices: readonly string[]): DeviceRequest => ({
  Driver: "cdi",
  Count: 0,
  DeviceIDs: [...devices],
  Capabilities: [],
  Options: {},
});

/** The last lines of an output. */
class Tail {
  #text = "";

  add(bytes: Buffer): void {
    this.#text = (this.#text + bytes.toString("utf8")).slice(-8192);
  }

  lines(): string[] {
    return this.#text.replace(/\n$/, "").split("\n").slice(-LAST_LINES);
  }
}

/** What of a RUN decides on its result beside the tree: command, environment, and what `contentOfMount` says of mounts. */
export async function identityOfRun(
  vertex: RunVertex,
  request: BuildRequest,
  contentOfMount: (mount: RunMount) => Promise<string | undefined>,
): Promise<unknown[]> {
  const mounts = await Promise.all(
    vertex.mounts.map(async (mount) => {
      const { input: _, ...said } = mount;
      const content = mount.type === "bind" ? await contentOfMount(mount) : undefined;
      return content === undefined ? said : [said, content];
    }),
  );
  const { args, env, workingDir, user, network, privileged, devices, scripts } = vertex;
  const said = [args, env, workingDir, user, network, privileged, scripts, mounts, [...request.extraHosts]];
  return devices.length === 0 ? said : [...said, devices];
}

/** The digest of everything below a place (in bytes): names, attributes, contents; times are left out. */
export async function contentOf(tree: SourceTree, place: string, signal: AbortSignal): Promise<string> {
  const { entries, base } = await tree.list(place, signal);
  const files = entries.filter(({ type }) => type === "file").map(({ path }) => path);
  const digests = await tree.digests(files, signal);
  const hash = createHash("sha256");
  for (const { path, type, mode, uid, gid, link, device } of entries) {
    hash.update(
      JSON.stringify([path.slice(base.length), type, mode, uid, gid, link, device, digests.get(path) ?? ""]),
    );
  }
  return hash.digest("hex");
}
