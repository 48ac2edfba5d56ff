export { isContextAddress } from "./address.ts";
export { type CheckOptions, parseCheck } from "./directives.ts";
export { DockerfileError } from "./dockerfile-error.ts";
export type { Heredoc } from "./heredoc.ts";
export { type IgnoreRules, ignorePatterns, ignoreRules, parseIgnoreFile } from "./ignore.ts";
export type {
  CommandForm,
  CopyFlags,
  CopySource,
  DeviceFlag,
  Dockerfile,
  HealthFlags,
  Instruction,
  InstructionName,
  InstructionOf,
  KeyValue,
  MountFlag,
  MountType,
  Stage,
} from "./instructions.ts";
export { type LintFinding, type LintOptions, lintDockerfile } from "./lint.ts";
export { excerpt, type Location } from "./location.ts";
export { isPattern, patternExpression } from "./match.ts";
export { parseMountFlag } from "./mount-flag.ts";
export { findStage, parseDockerfile, parseTriggers, sourceStage } from "./parse.ts";
export { printDockerfile, printInstruction } from "./print.ts";
export { expand, expandBody, expandWords, type Lookup, mentioned } from "./words.ts";
