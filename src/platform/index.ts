export { wallClockNs } from "./clock.ts";
export { installShim, openEmbeddedArchive, ownCommand } from "./embedded.ts";
export { fsyncFolder, removeTree, writeFileAtomic } from "./files.ts";
export { type HelperResult, runHelper } from "./helper.ts";
export { lockDatabaseFile } from "./lock.ts";
export { type KeyedMutex, keyedMutex } from "./mutex.ts";
export { randomHex } from "./random.ts";
export { sourceTreeShimPath } from "./shim-path.ts";
export { type FileWatch, watchFile } from "./watch.ts";
