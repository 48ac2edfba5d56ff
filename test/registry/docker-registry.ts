import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's docker-registry (distribution 2.8) on a port of its own, its storage in a folder of its own. */
export class DockerRegistry implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gantry-registry-"));
  #port = 0;
  #process: ChildProcess | undefined;

  static async start(): Promise<DockerRegistry> {
    const registry = new DockerRegistry();
    await registry.#start();
    return registry;
  }

  /** "127.0.0.1:PORT" */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async #start(): Promise<void> {
    const config = {
      version: 0.1,
      log: { level: "info", formatter: "text" },
      storage: { filesystem: { rootdirectory: join(this.folder, "data") }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0" },
    };
    const file = join(this.folder, "config.yml");
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config));
    const child = spawn("docker-registry", ["serve", file], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    let text = "";
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    // Read on to the end: a registry that cannot write its log ends.
    child.stderr.on("data", (chunk) => {
      text += String(chunk);
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.once("exit", () => reject(new Error(`docker-registry did not start: ${text}`)));
    this.#port = await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
