import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runCommand } from "./command.ts";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Stage {
  readonly name: string;
  readonly needsRoot: boolean;
  run(): Promise<Counts>;
}

const BUN = process.execPath;
const MINUTE = 60_000;
/** Files with this ending need root and the real kernel; all others run as anybody. */
const ROOT_TESTS = ".root.test.ts";
/** And with this one the virtual machine of `npm run test:vm`. */
export const VM_TESTS = ".vm.test.ts";

/** The stages of the test, quickest answers first. `folder` is theirs to fill. */
export function allStages(folder: string): Stage[] {
  const tests = globSync(["src/**/*.test.ts", "test/**/*.test.ts"])
    .filter((file) => !file.endsWith(VM_TESTS))
    .sort();
  const unit = tests.filter((file) => !file.endsWith(ROOT_TESTS));
  const root = tests.filter((file) => file.endsWith(ROOT_TESTS));
  return [
    check("format and lint", ["node_modules/.bin/biome", "check", "--error-on-warnings", "."]),
    check("types", ["node", "node_modules/typescript7/bin/tsc"]),
    // Run by Bun: the machine's Node may be older than the tool asks for.
    check("layers", [
      BUN,
      "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs",
      "src",
      "--config",
      ".dependency-cruiser.cjs",
    ]),
    check("dead code", [BUN, "node_modules/knip/bin/knip-bun.js"]),
    bunTests("unit tests", false, unit, folder),
    check("static analysis of the C program", ["make", "-C", "native", "-j2", "analyze"]),
    nativeTests("C tests under sanitizers"),
    fuzzing("fuzzing of the parsers"),
    bunTests("tests against the kernel", true, root, folder),
  ];
}

/** A tool that answers with its exit code alone counts as one test. */
function check(name: string, command: readonly string[]): Stage {
  return {
    name,
    needsRoot: false,
    async run() {
      const { exitCode } = await runCommand(command, { limitMs: 3 * MINUTE });
      return exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
    },
  };
}

/** Each C test tells of itself in a line: "pass NAME", "skip NAME: WHY", "FAIL NAME: WHY". */
function nativeTests(name: string): Stage {
  return {
    name,
    needsRoot: false,
    async run() {
      const { exitCode, lines } = await runCommand(["make", "-C", "native", "-j2", "test"], {
        limitMs: 8 * MINUTE,
        quietLines: /^pass /,
      });
      const count = (word: string) => lines.filter((line) => line.startsWith(`${word} `)).length;
      const counts = { passed: count("pass"), failed: count("FAIL"), skipped: count("skip") };
      // The compiler, or the runner itself, has failed.
      return exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
    },
  };
}

const FUZZ_SECONDS = 20;

/** Each harness of native/fuzz is one test. */
function fuzzing(name: string): Stage {
  return {
    name,
    needsRoot: false,
    async run() {
      const { exitCode, lines } = await runCommand(
        ["make", "-C", "native", "-j2", "--output-sync", "fuzz", `FUZZ_SECONDS=${FUZZ_SECONDS}`],
        { limitMs: 2 * MINUTE, quietLines: /^(#\d|INFO:|stat::|Done |"|#####|\s*$)|NEW_FUNC/ },
      );
      const passed = lines.filter((line) => line.startsWith("fuzzed ")).length;
      return { passed, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
    },
  };
}

/** `limitMs`: what one test may take. */
export function bunTests(
  name: string,
  needsRoot: boolean,
  files: readonly string[],
  folder: string,
  limitMs = 30_000,
): Stage {
  return {
    name,
    needsRoot,
    async run() {
      const report = join(folder, `${name.replaceAll(" ", "-")}.xml`);
      const { exitCode } = await runCommand(
        [
          BUN,
          "test",
          "--timeout",
          String(limitMs),
          "--reporter=junit",
          `--reporter-outfile=${report}`,
          ...files.map((file) => `./${file}`),
        ],
        {
          limitMs: 20 * MINUTE,
          quietLines: /^(\(pass\)|\s*$)/,
          // What ships is what is tested: a compiled file finds its own parts otherwise than sources do.
          env: { GANTRY_UNDER_TEST: resolve("dist/gantry") },
        },
      );
      const counts = countsOf(report);
      // A crash of the runner itself leaves no report, or one without the failure.
      if (exitCode !== 0 && counts.failed === 0) return { ...counts, failed: 1 };
      return counts;
    },
  };
}

/** The sums in the first element of a JUnit report. */
function countsOf(report: string): Counts {
  let head: string;
  try {
    head = /<testsuites [^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
  } catch {
    head = "";
  }
  const sum = (attribute: string) => Number(new RegExp(`\\b${attribute}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const [tests, failed, skipped] = [sum("tests"), sum("failures"), sum("skipped")];
  return { passed: tests - failed - skipped, failed, skipped };
}
