export { type Compression, detectCompression } from "./compression.ts";
export { type ArchivedImage, type ImageArchive, readImageArchive } from "./image-archive.ts";
export * from "./json.ts";
export { formatImageManifest, MEDIA } from "./manifest.ts";
export type { Member } from "./members.ts";
export { type PackRequest, packLayer } from "./pack.ts";
export { type BlobSource, type SavedImage, type SavedName, saveImageArchive } from "./save.ts";
export { type TarMember, writeTar } from "./tar-writer.ts";
export { type Unpacked, type UnpackRequest, unpackLayer } from "./unpack.ts";
