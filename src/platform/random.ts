import { randomBytes } from "node:crypto";

/** So many random bytes as lower-case hexadecimal digits. */
export const randomHex = (bytes: number): string => randomBytes(bytes).toString("hex");
