import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, type ProgramOptions, runProgram } from "./program.ts";

const CGROUPS = "/sys/fs/cgroup";

/**
 * Network and mount namespaces of a test's own: links, addresses, packet rules and mounts that are made in them end with
 * their first process, however the test ends. `/sys` shows these links; `/etc/resolv.conf` is a file of the test's own.
 */
export class TestMachine implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gantry-machine-"));
  readonly #holder: ChildProcess;

  private constructor(setUp: string) {
    const groups = join(this.folder, "cgroups");
    mkdirSync(groups);
    // A new sysfs shows this namespace's links, and no control groups. (-n: mount(8) keeps no record in /run.)
    const script = `
      mount -n --make-rprivate /
      mount -n --rbind ${CGROUPS} ${groups}
      mount -n -t sysfs sysfs /sys
      mount -n --rbind ${groups} ${CGROUPS}
      : > ${this.folder}/resolv.conf
      mount -n --bind ${this.folder}/resolv.conf /etc/resolv.conf
      ip link set lo up
      ${setUp}
      echo ready
      exec sleep infinity`;
    this.#holder = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-ec", script],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
  }

  /** `setUp`: a shell script for its links and addresses, run in it. */
  static async start(setUp = ""): Promise<TestMachine> {
    const machine = new TestMachine(setUp);
    const { stdout } = machine.#holder;
    const ended = once(machine.#holder, "exit").then(() => [undefined]);
    const [first] = stdout === null ? [] : await Promise.race([once(stdout, "data"), ended]);
    if (first === undefined) throw new Error("the namespaces of the test could not be made");
    return machine;
  }

  /** Its own file in the place of /etc/resolv.conf; written in place, since it is mounted. */
  get resolvConf(): string {
    return join(this.folder, "resolv.conf");
  }

  /** Of its first process. */
  get pid(): number {
    return this.#holder.pid ?? 0;
  }

  /** The command that runs another one in here. */
  get enter(): readonly string[] {
    return ["nsenter", "--net", "--mount", "--target", String(this.pid), "--"];
  }

  /** Run a program in here to its end. */
  run(program: string, args: readonly string[], options: ProgramOptions = {}): Promise<Finished> {
    const [nsenter = "", ...words] = this.enter;
    return runProgram(nsenter, [...words, program, ...args], options);
  }

  /** A shell script that has to work; gives its output. */
  async sh(script: string): Promise<string> {
    const { stdout, stderr, exitCode } = await this.run("sh", ["-ec", script]);
    if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout.trim();
  }

  /** What went to the background in here ends as well: all that is in its network namespace. */
  #killOthers(): void {
    const namespaceOf = (pid: string): string => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`);
      } catch {
        // It has ended.
        return "";
      }
    };
    const own = namespaceOf(String(this.pid));
    if (own === "" || own === namespaceOf("self")) return;
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
      if (Number(pid) !== this.pid && namespaceOf(pid) === own) process.kill(Number(pid), "SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#killOthers();
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      const ended = once(this.#holder, "exit");
      this.#holder.kill("SIGKILL");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
