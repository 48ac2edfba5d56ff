import { expect } from "bun:test";

/** What both engines say in words of their own: of either, the text that stands for it. */
export interface Replacement {
  readonly reason: string;
  readonly pattern: RegExp;
  readonly by: string;
}

/** A line that one engine prints and the other does not, and why that is right. */
export interface ExpectedLine {
  readonly reason: string;
  readonly only: "docker" | "gantry";
  readonly pattern: RegExp;
}

/**
 * Compares outputs of both engines line by line, after the replacements and without the expected lines. Knows at the end
 * which of its rules were of no use, so that none outlives its reason.
 */
export class Comparison {
  readonly #replacements: readonly Replacement[];
  readonly #lines: readonly ExpectedLine[];
  readonly #used = new Set<Replacement | ExpectedLine>();

  constructor(replacements: readonly Replacement[], lines: readonly ExpectedLine[]) {
    this.#replacements = replacements;
    this.#lines = lines;
  }

  expectSame(docker: string, gantry: string): void {
    expect(this.normal("gantry", gantry).split("\n")).toEqual(this.normal("docker", docker).split("\n"));
  }

  unused(): string[] {
    return [...this.#replacements, ...this.#lines]
      .filter((rule) => !this.#used.has(rule))
      .map(({ reason, pattern }) => `${pattern}: ${reason}`);
  }

  /** What is left of an output to compare. */
  normal(engine: ExpectedLine["only"], output: string): string {
    let text = output;
    for (const rule of this.#replacements) {
      const replaced = text.replace(rule.pattern, rule.by);
      if (replaced !== text) this.#used.add(rule);
      text = replaced;
    }
    const lines = text.split("\n").filter((line) => {
      const rule = this.#lines.find(({ only, pattern }) => only === engine && pattern.test(line));
      if (rule !== undefined) this.#used.add(rule);
      return rule === undefined;
    });
    return lines.join("\n");
  }
}
