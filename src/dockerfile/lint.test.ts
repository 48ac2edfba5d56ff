import { describe, expect, test } from "bun:test";
import { lintDockerfile, parseDockerfile } from "./index.ts";

const rules = (text: string) =>
  lintDockerfile(parseDockerfile(text)).findings.map(({ rule, line }) => `${rule}:${line}`);

describe("a check finds", () => {
  test.each<[string, string[]]>([
    ["FROM x\nrun y\nRUN z", ["ConsistentInstructionCasing:2"]],
    ["FROM x as a\nRUN z", ["FromAsCasing:1"]],
    ["FROM x AS Ab", ["StageNameCasing:1"]],
    ["FROM x AS scratch", ["ReservedStageName:1"]],
    ["FROM x AS a\nFROM y AS a", ["DuplicateStageName:2"]],
    ["FROM --platform=$TARGETPLATFORM x", ["RedundantTargetPlatform:1"]],
    ["FROM --platform=linux/amd64 x", ["FromPlatformFlagConstDisallowed:1"]],
    ["FROM x:$V", ["UndefinedArgInFrom:1"]],
    ["ARG V\nFROM x:$V", ["InvalidDefaultArgInFrom:2"]],
    ["ARG V\nFROM x:${V:-1}", []],
    ["FROM x\nRUN a \\\n\n b", ["NoEmptyContinuation:2"]],
    ["FROM x\nMAINTAINER y", ["MaintainerDeprecated:2"]],
    ["FROM x\nENV a b", ["LegacyKeyValueFormat:2"]],
    ["FROM x\nCMD y", ["JSONArgsRecommended:2"]],
    ['FROM x\nSHELL ["sh"]\nCMD y', []],
    ['FROM x\nCMD ["a"]\nCMD ["b"]', ["MultipleInstructionsDisallowed:2"]],
    ["FROM x\nWORKDIR a\nWORKDIR b", ["WorkdirRelativePath:2"]],
    ["FROM x\nARG API_TOKEN\nENV PUBLIC_KEY=1", ["SecretsUsedInArgOrEnv:2"]],
    ["FROM x\nEXPOSE 80/TCP 1.2.3.4:80:80", ["ExposeProtoCasing:2", "ExposeInvalidFormat:2"]],
    ["FROM scratch\nARG a\nCOPY $a $b /", ["UndefinedVar:3"]],
    ["FROM scratch\nENV P=$PAHT X=${Y:-1} Z=\\$Q\nARG a=$none", ["UndefinedVar:2", "UndefinedVar:3"]],
    ["FROM scratch AS a\nENV b=1\nFROM a\nCOPY $b $c /", ["UndefinedVar:4"]],
    ["FROM unknown\nCOPY $b /", []],
    ["FROM --platform=linux/arm64 x AS build-arm64", []],
    ["# check=skip=StageNameCasing\nFROM x AS Ab", []],
    ["# check=skip=all\nFROM x as Ab", []],
  ])("%p: %p", (text, found) => expect(rules(text)).toEqual(found));

  test("a variable that was meant, and what a known image has", () => {
    const { findings } = lintDockerfile(parseDockerfile("FROM x\nENV a=$PAHT b=$HERE"), {
      environmentOf: () => ["HERE"],
    });
    expect(findings.map(({ message }) => message)).toEqual([
      "Usage of undefined variable '$PAHT' (did you mean $PATH?)",
    ]);
  });

  test("sources that .dockerignore leaves out", () => {
    const found = (text: string, ...ignore: string[]) =>
      lintDockerfile(parseDockerfile(`FROM x\n${text}`), { ignore }).findings.map(({ message }) => message);
    expect(found("COPY ./tmp/a b /c/", "tmp")).toEqual([
      'Attempting to Copy file "tmp/a" that is excluded by .dockerignore',
    ]);
    expect(found("ADD tmp /c/", "tm*")).toEqual([
      'Attempting to Add file "tmp" that is excluded by .dockerignore',
    ]);
    expect(found("COPY . /c/", "*")).toHaveLength(1);
    expect(found("COPY . /c/", "tmp")).toEqual([]);
    expect(found("COPY tmp/a /c/", "tmp", "!tmp/a")).toEqual([]);
    expect(found("COPY --from=x tmp /c/", "tmp")).toEqual([]);
    expect(found("ADD https://x/tmp /c/", "**/tmp")).toEqual([]);
  });

  test("descriptions, when they are asked for", () => {
    const text = "# some words\nFROM x AS base\n# V tells\nARG V\n\n# else\n\nARG W";
    expect(rules(text)).toEqual([]);
    const { findings } = lintDockerfile(parseDockerfile(text), { check: "experimental=all" });
    expect(findings.map(({ rule, line, message }) => `${rule}:${line} ${message}`)).toEqual([
      "InvalidDefinitionDescription:2 Comment for FROM should follow the format: `# base <description>`",
    ]);
  });

  test("what fails a build, when the file says so", () => {
    expect(lintDockerfile(parseDockerfile("# check=error=true\nFROM x AS Ab")).fails).toBe(true);
    expect(lintDockerfile(parseDockerfile("FROM x AS Ab")).fails).toBe(false);
  });
});
