export { installCrun } from "./crun.ts";
export { GANTRY, startDaemon, type TestDaemon, untilSize } from "./daemon.ts";
export {
  dockerIsSince,
  dockerVersion,
  type Engine,
  ofDockerClient,
  runDocker,
  succeed,
  testSinceDocker,
} from "./docker-cli.ts";
export { refuseIdmaps } from "./idmapped.ts";
export { TestMachine } from "./machine.ts";
export { type Finished, type ProgramOptions, runProgram } from "./program.ts";
export { packRootFileSystem } from "./root-file-system.ts";
export { RootlessUser } from "./rootless.ts";
export { askPort } from "./sockets.ts";
export { createTestUser, type TestUser } from "./users.ts";
export { askWeb, startWeb, webUrl } from "./web.ts";
export { type FirewallBackend, MACHINE, startSurroundings, testWithBothBackends, WORLD } from "./world.ts";
