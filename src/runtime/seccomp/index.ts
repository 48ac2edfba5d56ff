export { createSeccompCompiler, type SeccompCompiler } from "./compiler.ts";
export { DEFAULT_PROFILE } from "./default-profile.ts";
export { parseSeccompProfile, readSeccompProfile, type SeccompProfile } from "./profile.ts";
export { PROJECT_KEEPING_PROFILE } from "./project-keeping.ts";
export { specificationOf } from "./specification.ts";
export { countVerdicts, type Verdicts } from "./verdicts.ts";
