export { wallClockNs } from "./clock.ts";
export { fsyncFolder, removeTree, writeFileAtomic } from "./files.ts";
export { lockDatabaseFile } from "./lock.ts";
export { type KeyedMutex, keyedMutex } from "./mutex.ts";
export { randomHex } from "./random.ts";
export { type FileWatch, watchFile } from "./watch.ts";
