export {
  type CompileExecInput,
  type CompileInput,
  compileExec,
  compileLaunch,
  keyringOf,
  mountOperations,
  namespaceFile,
  namespaceOperations,
  processOperations,
  rightsOperations,
  type StdioInput,
  stdioOperation,
} from "./compile.ts";
export { areSameMaps, hostIdOf, idMapEntries, specIdMappings } from "./id-maps.ts";
export { compileMount, MOUNT_OPTIONS } from "./mounts.ts";
