import { internal } from "../errors/index.ts";
import { runHelper } from "../platform/index.ts";

/** "absent": the file system has no project quotas, or they are off; "counted": it counts, and limits nothing. */
export type QuotaState = "absent" | "counted" | "enforced";

const LIMIT_MS = 60_000;

/** Project quotas of the file system that a folder lies on, by the shim's mode `quota`. Bytes throughout. */
export class KernelQuotas {
  readonly #shim: string;

  constructor(shim: string) {
    this.#shim = shim;
  }

  async state(folder: string): Promise<QuotaState> {
    const word = await this.#run(["state", folder]);
    if (word !== "absent" && word !== "counted" && word !== "enforced")
      throw internal(`the helper answers ${word} for the quotas of ${folder}`);
    return word;
  }

  /** The first project from `first` on that nothing is counted with and that has no limit. */
  async unused(folder: string, first: number): Promise<number> {
    return Number(await this.#run(["unused", folder, String(first)]));
  }

  /** Limit a project, and put a folder into it with all that will be made in there. */
  async limit(folder: string, project: number, bytes: number): Promise<void> {
    await this.#run(["limit", folder, String(project), String(bytes)]);
  }

  async lift(folder: string, project: number): Promise<void> {
    await this.#run(["lift", folder, String(project)]);
  }

  async use(folder: string, project: number): Promise<{ limitBytes: number; usedBytes: number }> {
    const [limitBytes, usedBytes] = (await this.#run(["use", folder, String(project)]))
      .split(" ")
      .map(Number);
    return { limitBytes: limitBytes ?? 0, usedBytes: usedBytes ?? 0 };
  }

  async #run(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await runHelper(
      this.#shim,
      ["quota", ...args],
      "",
      AbortSignal.timeout(LIMIT_MS),
    );
    if (code !== 0) throw internal(`disk quota of ${args[1]}: ${stderr.trim() || `code ${code}`}`);
    return stdout.toString("utf8").trim();
  }
}
