export { type Compression, decompressed, detectCompression } from "./compression.ts";
export type { EarlyPlace } from "./early.ts";
export {
  type ArchivedAttestation,
  type ArchivedImage,
  type ImageArchive,
  readImageArchive,
} from "./image-archive.ts";
export * from "./json.ts";
export { formatImageManifest, MEDIA } from "./manifest.ts";
export type { Member } from "./members.ts";
export { type PackRequest, packLayer, packTree } from "./pack.ts";
export { unpackedLimit } from "./proportion.ts";
export { type BlobSource, type SavedImage, type SavedName, saveImageArchive } from "./save.ts";
export { formatTarHeader, TAR_BLOCK } from "./tar-header.ts";
export { readTarEntries, type TarEntry } from "./tar-reader.ts";
export { type TarMember, writeTar } from "./tar-writer.ts";
export { type Unpacked, type UnpackRequest, unpackLayer } from "./unpack.ts";
