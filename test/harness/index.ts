export { GANTRY, startDaemon, type TestDaemon } from "./daemon.ts";
export { TestMachine } from "./machine.ts";
export { type Finished, type ProgramOptions, runProgram } from "./program.ts";
