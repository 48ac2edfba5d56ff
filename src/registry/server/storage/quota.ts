import type { Store } from "../../../store/index.ts";
import { humanSize } from "../../../units/index.ts";
import { RegistryError } from "../errors.ts";

/** What the storage holds, in bytes and counts. */
export interface Usage {
  readonly blobs: number;
  readonly blobBytes: number;
  readonly manifests: number;
  readonly manifestBytes: number;
  /** Bytes of uploads that are not finished. */
  readonly uploadBytes: number;
}

/** Counts what is stored and refuses what would exceed the limit. */
export class Quota {
  readonly #usage;
  readonly limitBytes: number | undefined;
  #uploadBytes = 0;

  constructor(store: Store, limitBytes: number | undefined) {
    this.#usage = store.database.prepare("SELECT * FROM usage");
    this.limitBytes = limitBytes;
  }

  usage(): Usage {
    const row = this.#usage.get();
    return {
      blobs: Number(row?.blobs ?? 0),
      blobBytes: Number(row?.blob_bytes ?? 0),
      manifests: Number(row?.manifests ?? 0),
      manifestBytes: Number(row?.manifest_bytes ?? 0),
      uploadBytes: this.#uploadBytes,
    };
  }

  /** Throws DENIED when so many bytes more would exceed the limit. */
  check(bytes: number): void {
    if (this.limitBytes === undefined) return;
    const { blobBytes, manifestBytes, uploadBytes } = this.usage();
    if (blobBytes + manifestBytes + uploadBytes + bytes <= this.limitBytes) return;
    // 403 rather than 507: clients show the sentence of a 4xx, and repeat the whole upload after a 5xx.
    throw new RegistryError(
      "DENIED",
      `the registry's storage quota of ${humanSize(this.limitBytes)} does not allow this; delete something and collect garbage, or raise the quota`,
      { detail: { quotaBytes: this.limitBytes, usedBytes: blobBytes + manifestBytes + uploadBytes } },
    );
  }

  /** Uploads grow by so many bytes (shrink, when negative). */
  growUploads(bytes: number): void {
    this.#uploadBytes += bytes;
  }
}
