import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, type ProgramOptions, runProgram } from "../../harness/index.ts";

/** Debian's buildah with images and state in a folder of its own. Podman reads the same store, and saves several images at once. */
export class Buildah implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gbuildah-"));

  #run(program: string, args: readonly string[], options: ProgramOptions): Promise<Finished> {
    const own = ["--root", join(this.folder, "root"), "--runroot", join(this.folder, "run")];
    mkdirSync(join(this.folder, "tmp"), { recursive: true });
    // What it mounts is seen by nobody else, and ends with it.
    return runProgram("unshare", ["--mount", program, ...own, ...args], {
      ...options,
      env: { ...options.env, TMPDIR: join(this.folder, "tmp") },
    });
  }

  buildah(options: ProgramOptions, ...args: string[]): Promise<Finished> {
    return this.#run("buildah", args, options);
  }

  podman(options: ProgramOptions, ...args: string[]): Promise<Finished> {
    // Its own state is in /run/libpod unless it is told otherwise.
    return this.#run("podman", ["--tmpdir", join(this.folder, "libpod"), ...args], options);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
