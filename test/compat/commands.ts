import { describe, expect, test } from "bun:test";
import { dockerIsSince, type Engine } from "../harness/index.ts";
import { INDEPENDENT, SCENES, type Step } from "./command-scenes.ts";
import { Comparison, type Replacement } from "./differences.ts";
import type { Pair } from "./pair.ts";
import { wordsOf } from "./words.ts";

const REPLACEMENTS: readonly Replacement[] = [
  { reason: "ids", pattern: /\b[0-9a-f]{64}\b/g, by: "ID" },
  { reason: "short ids", pattern: /\b[0-9a-f]{12}\b/g, by: "SHORT" },
  { reason: "times", pattern: /\d{4}-\d\d-\d\dT[\d:.]+Z/g, by: "TIME" },
  {
    reason: "times in words, and the width of their column",
    pattern: /(Less than a second|About a minute|\d+ (seconds?|minutes?))/g,
    by: "SOON",
  },
  { reason: "the space that fills columns", pattern: / {2,}/g, by: "  " },
  { reason: "Docker names its runtime", pattern: /runc create failed: /g, by: "" },
  {
    reason: "and the class of its error, which Docker 28 leaves out",
    pattern: /: unknown(?=\.?$)/gm,
    by: "",
  },
  {
    reason: "where the help is: an older client says it only when creating fails, not when starting does",
    pattern: /\n+(See|Run) 'docker run --help'.*/g,
    by: "",
  },
  {
    reason: "Docker 28 says what it was that failed",
    pattern: /failed to create task for container: /g,
    by: "",
  },
];

/** As many independent lines at a time: Docker is not quicker with more. */
const LANES = 3;

/** The same command lines of the docker CLI for both engines: the same words on both outputs, the same exit codes. */
export function describeCommands(pair: () => Pair): void {
  const rules = new Comparison(REPLACEMENTS, []);
  async function follow(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      const line = typeof step === "string" ? step : step.line;
      const { docker, gantry } = pair();
      const [theirs, ours] = await Promise.all([run(docker, line), run(gantry, line)]);
      if (typeof step === "string" || !dockerIsSince(step.client ?? 0)) rules.expectSame(theirs, ours);
      else {
        expect(rules.normal("gantry", ours)).toContain(step.gantry);
        // A reason that no longer holds is to be struck out.
        expect(rules.normal("docker", theirs)).not.toContain(step.gantry);
      }
    }
  }

  describe("the docker CLI", () => {
    for (const [title, steps] of Object.entries(SCENES)) {
      test(title, () => follow(steps), 60_000);
    }
    for (const [title, steps] of Object.entries(INDEPENDENT)) {
      test(title, async () => {
        const lanes = Array.from({ length: LANES }, (_, lane) =>
          steps.filter((_, at) => at % LANES === lane),
        );
        await Promise.all(lanes.map(follow));
      }, 60_000);
    }
    test("every difference that is written down exists", () => {
      expect(rules.unused()).toEqual([]);
    });
  });
}

async function run(engine: Engine, line: string): Promise<string> {
  const { stdout, stderr, exitCode } = await engine.docker(...wordsOf(line));
  return (
    `docker ${line}\n${stdout}${stderr}exit code ${exitCode}`
      // Without the carriage returns of a stream that could be a terminal's,
      .replaceAll("\r", "")
      // and without an older client's word that it gave up its own wait, which it says or not as it comes.
      .replace(/^time="[^"]*" level=error msg="error waiting for container: context canceled"\n/m, "")
  );
}
