import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, GANTRY, type ProgramOptions, runProgram } from "../harness/index.ts";

const APPLETS =
  "sh cat echo id ls sleep stat stty readlink touch mount env hostname ps grep kill true false date".split(
    " ",
  );

/** The parts of config.json that a test changes; the rest is as any bundle has it. */
// biome-ignore lint/suspicious/noExplicitAny: a document of the specification, wrong ones among them
export type Config = Record<string, any>;

let count = 0;

/** A bundle with busybox as its root, and the command line of an OCI runtime with a state folder of its own. */
export class TestBundle implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gantry-oci-"));
  readonly bundle = join(this.folder, "bundle");
  readonly rootfs = join(this.bundle, "rootfs");
  readonly id = `oci${process.pid}-${count++}`;
  readonly cgroup = `/gantry-oci-test/${this.id}`;
  readonly #runtime: readonly string[];

  constructor(runtime: readonly string[] = [...GANTRY, "oci"]) {
    this.#runtime = runtime;
    for (const name of ["bin", "proc", "sys", "dev", "tmp", "etc", "root"])
      mkdirSync(join(this.rootfs, name), { recursive: true });
    copyFileSync("/bin/busybox", join(this.rootfs, "bin/busybox"));
    for (const applet of APPLETS) symlinkSync("busybox", join(this.rootfs, "bin", applet));
    this.configure({});
  }

  configure(changes: Config): void {
    const { process = {}, linux = {}, ...rest } = changes;
    const capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    const config = {
      ociVersion: "1.0.2",
      root: { path: "rootfs" },
      hostname: "bundled",
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        {
          destination: "/dev",
          type: "tmpfs",
          source: "tmpfs",
          options: ["nosuid", "strictatime", "mode=755"],
        },
        {
          destination: "/dev/pts",
          type: "devpts",
          source: "devpts",
          options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      ],
      ...rest,
      process: {
        user: { uid: 0, gid: 0 },
        args: ["true"],
        env: ["PATH=/bin"],
        cwd: "/",
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
        ...process,
      },
      linux: {
        cgroupsPath: this.cgroup,
        namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
        resources: { devices: [{ allow: false, access: "rwm" }] },
        ...linux,
      },
    };
    writeFileSync(join(this.bundle, "config.json"), JSON.stringify(config));
  }

  /** The runtime with this state folder. The first argument may be options of the program. */
  oci(...args: (string | ProgramOptions)[]): Promise<Finished> {
    const [first] = args;
    const options = typeof first === "object" ? first : {};
    const words = args.filter((word) => typeof word === "string");
    const [program = "", ...own] = this.#runtime;
    return runProgram(program, [...own, "--root", join(this.folder, "state"), ...words], options);
  }

  /** A command whose process outlives it and so keeps its stdio, which is then files. */
  async detached(...args: string[]): Promise<Finished> {
    const [program = "", ...own] = this.#runtime;
    const [out, err] = [join(this.folder, "stdout"), join(this.folder, "stderr")];
    const { exitCode } = await runProgram(
      "sh",
      [
        "-c",
        'exec "$@" </dev/null >"$OUT" 2>"$ERR"',
        "sh",
        program,
        ...own,
        "--root",
        join(this.folder, "state"),
        ...args,
      ],
      { env: { OUT: out, ERR: err } },
    );
    return { exitCode, stdout: readFileSync(out, "utf8"), stderr: readFileSync(err, "utf8") };
  }

  run(...flags: string[]): Promise<Finished> {
    return this.oci("run", "--bundle", this.bundle, ...flags, this.id);
  }

  runDetached(): Promise<Finished> {
    return this.detached("run", "--detach", "--bundle", this.bundle, this.id);
  }

  create(...flags: string[]): Promise<Finished> {
    return this.detached("create", "--bundle", this.bundle, ...flags, this.id);
  }

  async state(): Promise<Config> {
    return JSON.parse((await this.oci("state", this.id)).stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.oci("delete", "--force", this.id);
    // The groups above those of the tests are nobody's, so nobody else removes them.
    for (const name of readdirSync("/sys/fs/cgroup")) {
      const parent = join("/sys/fs/cgroup", name, "gantry-oci-test");
      if (existsSync(parent) && readdirSync(parent, { withFileTypes: true }).every((entry) => entry.isFile()))
        rmdirSync(parent);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
