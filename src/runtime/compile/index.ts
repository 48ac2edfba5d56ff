export { type CompileExecInput, type CompileInput, compileExec, compileLaunch } from "./compile.ts";
export { compileMount } from "./mounts.ts";
