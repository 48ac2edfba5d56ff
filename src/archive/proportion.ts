/** A tar may not be so much larger than its compressed form unless it is small: what is, is made to fill the disk. */
export const MAX_RATIO = 200;
export const SMALL_BYTES = 1 << 30;

/** As many bytes as may come out of so many compressed ones. */
export const unpackedLimit = (compressedBytes: number): number =>
  Math.max(SMALL_BYTES, compressedBytes * MAX_RATIO);
