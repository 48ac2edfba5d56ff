import { isContextAddress } from "../../dockerfile/index.ts";

/** Before the session under which a client has sent a folder, in the place of its path. */
const SENT = "sent:";

/** Whether `--build-context NAME=SOURCE` gives files, and not an image. */
export const isContextOfFiles = (source: string): boolean =>
  source.startsWith(SENT) || isContextAddress(source);

/** undefined for one that is fetched. */
export const sessionOf = (source: string): string | undefined =>
  source.startsWith(SENT) ? source.slice(SENT.length) : undefined;
