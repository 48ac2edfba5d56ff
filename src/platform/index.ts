export { type ByteChannel, type ChannelAddress, connectChannel } from "./byte-channel.ts";
export { wallClockNs } from "./clock.ts";
export { installShim, openEmbeddedArchive } from "./embedded.ts";
export { fsyncFolder, removeTree, writeFileAtomic } from "./files.ts";
export { lockDatabaseFile } from "./lock.ts";
export { type KeyedMutex, keyedMutex } from "./mutex.ts";
export { randomHex } from "./random.ts";
export { sourceTreeShimPath } from "./shim-path.ts";
export { type FileWatch, watchFile } from "./watch.ts";
