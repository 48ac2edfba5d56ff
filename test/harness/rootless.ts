import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY } from "./daemon.ts";
import { type Finished, runProgram } from "./program.ts";
import { createTestUser, type TestUser } from "./users.ts";

/**
 * An ordinary user with folders of his own, and Gantry's client as him. Its first command starts the engine. The device
 * that packets are carried through is open to him as on any Debian, for the machine of a test may keep it to root: in a
 * mount namespace, so that nothing of the machine is changed.
 */
export class RootlessUser implements AsyncDisposable {
  readonly user: TestUser;
  readonly folder = mkdtempSync(join(tmpdir(), "gantry-rootless-"));
  readonly runtime = join(this.folder, "run");
  readonly #hidden: readonly string[];

  /** `hidden`: programs that are not there for him. */
  constructor({ withoutRanges = false, hidden = [] as readonly string[] } = {}) {
    this.user = createTestUser({ withoutRanges });
    this.#hidden = hidden;
    chmodSync(this.folder, 0o755);
    mkdirSync(this.runtime, { mode: 0o700 });
    chownSync(this.runtime, this.user.uid, this.user.gid);
    execFileSync("mknod", ["-m", "666", join(this.folder, "tun"), "c", "10", "200"]);
  }

  get host(): string {
    return `unix://${this.runtime}/gantry.sock`;
  }

  /** Any program as this user. */
  run(program: string, ...args: string[]): Promise<Finished> {
    const { uid, gid, home } = this.user;
    const environment = [`HOME=${home}`, "PATH=/usr/bin:/bin", `XDG_RUNTIME_DIR=${this.runtime}`];
    const hide = this.#hidden.map((file) => `mount --bind /dev/null ${file}; `).join("");
    const mounts = `mount --bind ${this.folder}/tun /dev/net/tun; ${hide}cd /; exec "$@"`;
    const ids = ["--reuid", String(uid), "--regid", String(gid), "--clear-groups"];
    const words = ["setpriv", ...ids, "env", "-i", ...environment, program, ...args];
    return runProgram("unshare", ["--mount", "sh", "-c", mounts, "sh", ...words], { limitMs: 30_000 });
  }

  gantry(...args: string[]): Promise<Finished> {
    const [program = "", ...own] = GANTRY;
    return this.run(program, ...own, ...args);
  }

  docker(...args: string[]): Promise<Finished> {
    return this.run("docker", "-H", this.host, ...args);
  }

  get log(): string {
    return readFileSync(join(this.user.home, ".local/share/gantry/daemon.log"), "utf8");
  }

  /** Ids of his processes whose name or command line has this in it. */
  processes(words: string): number[] {
    const text = spawnText("ps", "-u", String(this.user.uid), "-o", "pid=,stat=,comm=,args=");
    return text
      .split("\n")
      .filter((line) => line.includes(words) && !/^\s*\d+\s+Z/.test(line))
      .map((line) => Number.parseInt(line, 10));
  }

  /** End the daemon and wait for it; containers go on. */
  async stopDaemon(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    for (const waiting of this.processes("rootless-wait")) {
      const [daemon = 0] = spawnText("ps", "--ppid", String(waiting), "-o", "pid=").split("\n").map(Number);
      process.kill(signal === "SIGTERM" ? waiting : daemon, signal);
      await untilEnded(waiting);
    }
  }

  async end(pid: number, signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<void> {
    process.kill(pid, signal);
    await untilEnded(pid);
  }

  /** Kill a container's first process, and wait until its shim has ended too. */
  async endContainer(pid: number): Promise<void> {
    const [, shim] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    process.kill(pid, "SIGKILL");
    await untilEnded(Number(shim));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.gantry("ps", "-aq");
    const ids = stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await this.gantry("rm", "-f", "-v", ...ids);
    await this.stopDaemon();
    const torn = await this.gantry("daemon", "--rootless", "--teardown");
    if (torn.exitCode !== 0) throw new Error(`teardown failed: ${torn.stderr}`);
    for (const pid of this.processes("")) await untilEnded(pid);
    rmSync(this.folder, { recursive: true, force: true });
    // His files in the home are his subordinates' too.
    rmSync(this.user.home, { recursive: true, force: true });
    this.user[Symbol.dispose]();
  }
}

/** By pidfd_open(2), 434 on every architecture: it is readable from the end on, also before whoever adopted the process has heard of it. */
const AWAIT_END =
  'exit if ($fd = syscall(434, shift() + 0, 0)) < 0; vec($set = "", $fd, 1) = 1; select($set, undef, undef, undef)';

async function untilEnded(pid: number): Promise<void> {
  const ended = spawn("perl", ["-e", AWAIT_END, String(pid)], { stdio: "ignore" });
  await new Promise((resolve) => ended.once("exit", resolve));
}

function spawnText(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // ps ends with 1 when there is none.
    return "";
  }
}
