export { buildExecProcess, buildSpec, cgroupPathOf, type SpecInput } from "./build.ts";
export { capabilitiesOf } from "./capabilities.ts";
export { withDefaults } from "./defaults.ts";
export { mergeImageConfig } from "./merge.ts";
export { resourcesOf } from "./resources.ts";
export { parseSecurityOptions } from "./security.ts";
export { discardUnknownLimits } from "./support.ts";
export { validateHostConfig, validateRestartPolicy } from "./validate.ts";
export { validateResources } from "./validate-resources.ts";
