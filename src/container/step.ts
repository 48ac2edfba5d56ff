import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { cancelled, internal } from "../errors/index.ts";
import type { ContainerNetworks } from "../network/index.ts";
import { randomHex } from "../platform/index.ts";
import type { ExitStatus, IdMaps, Task, TaskLauncher } from "../runtime/index.ts";
import type { SpecMount } from "../runtime/spec/index.ts";
import type { SnapshotMount } from "../snapshot/index.ts";
import type { Store } from "../store/index.ts";
import type { HostConfig } from "../wire/index.ts";
import type { LaunchPlanner } from "./launch-planner.ts";
import { attachRequest, sandboxRequest } from "./network-mode.ts";
import type { ContainerRecord } from "./record.ts";
import { validateWithUserNamespace } from "./spec/index.ts";
import { created } from "./state.ts";

export interface StepOptions {
  readonly planner: LaunchPlanner;
  readonly launcher: TaskLauncher;
  readonly network: Pick<ContainerNetworks, "prepare" | "forget" | "open" | "enter" | "close">;
  readonly store: Store;
  /** Of the user namespace of a step that is not privileged. */
  readonly idMaps: IdMaps | undefined;
}

/** One command in a tree, isolated as a container is, that no row and no list knows: a step of a build. */
export interface StepRequest {
  /** An empty folder's name-to-be for the step's own files; removed at the end. */
  readonly folder: string;
  readonly tree: SnapshotMount;
  readonly mounts: readonly SpecMount[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly hostname: string;
  /** Name of a network. */
  readonly network: string;
  readonly privileged: boolean;
  /** Limits, extra hosts and the like. */
  readonly host: Partial<HostConfig>;
  /** A terminal of this size, what is typed on it, and the sizes that it takes later; without it stdin is empty. */
  readonly terminal?: {
    readonly rows: number;
    readonly columns: number;
    readonly input: Readable;
    readonly sizes: AsyncIterable<readonly [rows: number, columns: number]>;
  };
}

/**
 * Run a command to its end and hand on what it writes (2 for stderr, 1 for stdout and for a terminal). On abort it is
 * killed at once and the promise rejects with cancelled; nothing of it is left in any case. Rejects with LaunchError when
 * the program cannot be executed.
 */
export async function runStep(
  { planner, launcher, network, store, idMaps }: StepOptions,
  request: StepRequest,
  write: (stream: 1 | 2, bytes: Buffer) => void,
  signal: AbortSignal,
): Promise<ExitStatus> {
  throwIfStopped(signal);
  const record = recordOf(request, request.privileged ? undefined : idMaps);
  if (record.definition.idMaps !== undefined) validateWithUserNamespace(record.definition.hostConfig);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(request.folder, { recursive: true, force: true }));
  mkdirSync(request.folder, { recursive: true, mode: 0o700 });
  const files = {
    resolvConf: join(request.folder, "resolv.conf"),
    hosts: join(request.folder, "hosts"),
    hostname: join(request.folder, "hostname"),
    log: "",
  };
  const attach = network.prepare(attachRequest(record, request.network));
  store.transaction(attach);
  undo.defer(() => store.transaction(() => network.forget(record.id)));
  const networkOperations = await network.open(sandboxRequest(record, files));
  undo.defer(() => network.close(record.id));
  const { plan, how } = await planner.plan({
    record,
    networkOperations,
    linked: [],
    joined: {},
    files,
    tree: request.tree,
    mounts: request.mounts,
  });
  const task = await launcher.launch(record.id, plan, how);
  undo.defer(() => task.remove());
  await network.enter(record.id, task.pid);
  // Awaited here: what the step needs is let go of when this function ends.
  return await runTask(task, request, write, signal);
}

async function runTask(
  task: Task,
  { terminal }: StepRequest,
  write: (stream: 1 | 2, bytes: Buffer) => void,
  signal: AbortSignal,
): Promise<ExitStatus> {
  await using streams = await task.attach({ stdin: terminal !== undefined, stdout: true, stderr: true });
  const copied = copyOutput(streams.output, terminal !== undefined, write);
  const SIGKILL = 9;
  // One that has ended meanwhile cannot be killed, and need not be.
  const stop = () => void task.signal(SIGKILL).catch(() => undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    throwIfStopped(signal);
    await task.start();
    if (terminal !== undefined && streams.input !== undefined) {
      // A shell that has ended takes no more input, and no size.
      streams.input.on("error", () => undefined);
      terminal.input.pipe(streams.input);
      followSize(task, terminal.sizes).catch(() => undefined);
    }
    const status = await task.ended;
    await copied;
    throwIfStopped(signal);
    return status;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function followSize(
  task: Task,
  sizes: AsyncIterable<readonly [rows: number, columns: number]>,
): Promise<void> {
  for await (const [rows, columns] of sizes) await task.resize(rows, columns);
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled("context canceled", { cause: signal.reason });
}

const HEAD_BYTES = 8;

async function copyOutput(
  output: Readable,
  raw: boolean,
  write: (stream: 1 | 2, bytes: Buffer) => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of output) {
    if (!(chunk instanceof Buffer)) throw internal("a task's output gives text instead of bytes");
    if (raw) {
      write(1, chunk);
      continue;
    }
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + rest.readUInt32BE(4);
      if (rest.length < end) break;
      write(rest[0] === 2 ? 2 : 1, rest.subarray(HEAD_BYTES, end));
      rest = rest.subarray(end);
    }
  }
}

function recordOf(request: StepRequest, idMaps: IdMaps | undefined): ContainerRecord {
  const id = randomHex(32);
  const { rows = 0, columns = 0 } = request.terminal ?? {};
  return {
    id,
    name: id,
    createdAtNs: 0n,
    restartCount: 0,
    state: created(),
    definition: {
      config: {
        Hostname: request.hostname,
        Domainname: "",
        User: request.user,
        AttachStdin: request.terminal !== undefined,
        AttachStdout: true,
        AttachStderr: true,
        Tty: request.terminal !== undefined,
        OpenStdin: request.terminal !== undefined,
        StdinOnce: true,
        Env: [...request.env],
        Cmd: [...request.args],
        Image: "",
        Volumes: null,
        WorkingDir: request.workingDir,
        Entrypoint: null,
        Labels: {},
      },
      hostConfig: {
        ...NO_LIMITS,
        ...request.host,
        NetworkMode: request.network,
        Privileged: request.privileged,
        ConsoleSize: [rows, columns],
      },
      networkingConfig: { EndpointsConfig: {} },
      imageId: "",
      chainId: undefined,
      mounts: [],
      platform: "linux",
      ...(idMaps === undefined ? {} : { idMaps }),
    },
  };
}

/** A HostConfig that asks for nothing, and for no log. */
const NO_LIMITS: HostConfig = {
  Binds: null,
  ContainerIDFile: "",
  LogConfig: { Type: "none", Config: {} },
  NetworkMode: "",
  PortBindings: {},
  RestartPolicy: { Name: "", MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: "",
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: "",
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: "private",
  Cgroup: "",
  Links: null,
  OomScoreAdj: 0,
  PidMode: "",
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: "",
  UsernsMode: "",
  ShmSize: 0,
  Runtime: "",
  Isolation: "",
  MaskedPaths: null,
  ReadonlyPaths: null,
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: "",
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: "",
  CpusetMems: "",
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: null,
};
