export { startDaemon, type TestDaemon } from "./daemon.ts";
export { type Finished, runProgram } from "./program.ts";
