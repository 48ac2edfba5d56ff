export { installCrun } from "./crun.ts";
export { GANTRY, startDaemon, type TestDaemon } from "./daemon.ts";
export { refuseIdmaps } from "./idmapped.ts";
export { TestMachine } from "./machine.ts";
export { type Finished, type ProgramOptions, runProgram } from "./program.ts";
export { packRootFileSystem } from "./root-file-system.ts";
export { RootlessUser } from "./rootless.ts";
export { askPort } from "./sockets.ts";
export { createTestUser, type TestUser } from "./users.ts";
