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
    ["# check=skip=StageNameCasing\nFROM x AS Ab", []],
    ["# check=skip=all\nFROM x as Ab", []],
  ])("%p: %p", (text, found) => expect(rules(text)).toEqual(found));

  test("what fails a build, when the file says so", () => {
    expect(lintDockerfile(parseDockerfile("# check=error=true\nFROM x AS Ab")).fails).toBe(true);
    expect(lintDockerfile(parseDockerfile("FROM x AS Ab")).fails).toBe(false);
  });
});
