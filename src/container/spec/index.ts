export { buildExecProcess, buildSpec, cgroupPathOf, type SpecInput } from "./build.ts";
export { capabilitiesOf } from "./capabilities.ts";
export { mergeImageConfig } from "./merge.ts";
export { parseSecurityOptions } from "./security.ts";
export { validateHostConfig } from "./validate.ts";
