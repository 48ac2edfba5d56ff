import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Finished,
  type ProgramOptions,
  runDocker,
  runProgram,
  type TestMachine,
} from "../harness/index.ts";

const CGROUPS = "/sys/fs/cgroup";
let count = 0;

export interface DockerdOptions {
  /** Programs by the names that `docker run --runtime` takes. */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Where its network is, instead of in a namespace of its own. */
  readonly machine?: TestMachine;
}

/**
 * Debian's dockerd (package docker.io), as the engine that Gantry is compared with. It runs in network, mount and
 * process namespaces of its own: its bridge, packet rules, mounts and every process end with the first of these
 * processes, however the test ends, and nothing of them is ever seen outside. Only its folder and its control groups
 * are the machine's; disposal removes these. Its containers reach no network.
 */
export class Dockerd implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gantry-dockerd-"));
  readonly host = `unix://${this.folder}/d.sock`;
  /** All its containers' control groups are below this one. */
  readonly #cgroup = `gantry-dockerd-${process.pid}-${count++}`;
  readonly #runtimes: Readonly<Record<string, string>>;
  readonly #machine: TestMachine | undefined;
  #process: ChildProcess | undefined;
  #log = "";

  constructor({ runtimes = {}, machine }: DockerdOptions = {}) {
    this.#runtimes = runtimes;
    this.#machine = machine;
  }

  async start(): Promise<void> {
    const folder = this.folder;
    // Written here instead of to /etc/docker.
    writeFileSync(
      join(folder, "daemon.json"),
      JSON.stringify({
        "deprecated-key-path": `${folder}/key.json`,
        runtimes: Object.fromEntries(Object.entries(this.#runtimes).map(([name, path]) => [name, { path }])),
      }),
    );
    // What dockerd and containerd put into fixed places goes into file systems that only they see. (-n: mount(8) itself
    // keeps no record of them in /run.)
    const script = `
      for folder in /run /opt; do
        if [ -d "$folder" ]; then mount -n -t tmpfs -o mode=755 tmpfs "$folder"; fi
      done
      ip link set lo up
      exec dockerd "$@"`;
    const place = {
      "config-file": join(folder, "daemon.json"),
      "data-root": join(folder, "data"),
      "exec-root": join(folder, "exec"),
      pidfile: join(folder, "pid"),
      host: this.host,
      "cgroup-parent": `/${this.#cgroup}`,
      bip: "172.31.0.1/16",
      "storage-driver": await storageDriver(folder),
    };
    const network = this.#machine === undefined ? ["--net"] : [];
    const [program = "", ...words] = [...(this.#machine?.enter ?? []), "setpriv"];
    const child = spawn(
      program,
      [
        ...words,
        ...["--pdeathsig", "KILL"],
        ...["unshare", ...network, "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"],
        ...["sh", "-ec", script, "dockerd"],
        ...Object.entries(place).flatMap(([name, value]) => [`--${name}`, value]),
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#process = child;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const read = (chunk: Buffer) => {
      this.#log += chunk.toString("utf8");
      if (this.#log.includes("API listen on")) resolve();
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("close", () => reject(new Error(`dockerd ended: ${this.#log}`)));
    const limit = setTimeout(
      () => reject(new Error(`dockerd is not ready after 30 s: ${this.#log}`)),
      30_000,
    );
    try {
      await ready;
    } finally {
      clearTimeout(limit);
    }
  }

  /** The daemon's process id; 0 before it has one. */
  get pid(): number {
    const outer = this.#process?.pid;
    if (outer === undefined) return 0;
    return Number(readFileSync(`/proc/${outer}/task/${outer}/children`, "utf8").trim());
  }

  /** The docker CLI, against this daemon. The first argument may be its options. */
  docker(...args: (string | ProgramOptions)[]): Promise<Finished> {
    return runDocker(this.host, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endProcesses();
    this.#removeControlGroups();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The first process of a process namespace takes all others with it; its parent ends once they are gone. */
  async #endProcesses(): Promise<void> {
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    const first = this.pid;
    if (first > 0) process.kill(first, "SIGKILL");
    else child.kill("SIGKILL");
    await ended;
  }

  #removeControlGroups(): void {
    const hierarchies = [CGROUPS, ...readdirSync(CGROUPS).map((name) => join(CGROUPS, name))];
    for (const hierarchy of hierarchies) {
      const folder = join(hierarchy, this.#cgroup);
      if (existsSync(folder)) removeControlGroup(folder);
    }
  }
}

function removeControlGroup(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeControlGroup(join(folder, entry.name));
  }
  rmdirSync(folder);
}

/** overlay2, unless the file system refuses to be a layer of an overlay. */
async function storageDriver(folder: string): Promise<string> {
  const trial = join(folder, "trial");
  for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(trial, name), { recursive: true });
  const options = `lowerdir=${trial}/lower,upperdir=${trial}/upper,workdir=${trial}/work`;
  const { exitCode } = await runProgram("unshare", [
    ...["--mount", "mount", "-n", "-t", "overlay", "overlay", "-o", options, `${trial}/merged`],
  ]);
  rmSync(trial, { recursive: true, force: true });
  return exitCode === 0 ? "overlay2" : "vfs";
}

export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd> {
  const dockerd = new Dockerd(options);
  try {
    await dockerd.start();
  } catch (error) {
    await dockerd[Symbol.asyncDispose]();
    throw error;
  }
  return dockerd;
}
