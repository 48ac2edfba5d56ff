import { invalid } from "../../errors/index.ts";
import type { Ulimit } from "../../wire/index.ts";

/** RLIMIT_* of getrlimit(2) by ulimit name. */
export const RLIMITS: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** -1 means without a limit. Throws invalid for unknown names and soft limits over hard ones. */
export function parseRlimits(ulimits: readonly Ulimit[]): { type: string; soft: number; hard: number }[] {
  return ulimits.map(({ Name, Soft, Hard }) => {
    if (RLIMITS[Name] === undefined) throw invalid(`invalid ulimit type: ${Name}`);
    if (Hard !== -1 && (Soft > Hard || Soft === -1))
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
    return { type: `RLIMIT_${Name.toUpperCase()}`, soft: Soft, hard: Hard };
  });
}
