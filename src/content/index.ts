export { type Digest, digestOf, isDigest, parseDigest } from "./digest.ts";
export { openContentStore } from "./folder-store.ts";
export type { Blob, ContentStore, Expectation, Ingest, Partial, ResumedIngest } from "./store.ts";
