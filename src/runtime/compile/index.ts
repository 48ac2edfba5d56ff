export { type CompileExecInput, type CompileInput, compileExec, compileLaunch } from "./compile.ts";
