import { existsSync, readFileSync } from "node:fs";

/** A range of ids that an administrator has given to somebody (subuid(5)). */
export interface SubordinateRange {
  /** A name or a number. */
  readonly owner: string;
  readonly first: number;
  readonly size: number;
}

const LAST_ID = 0xffff_fffe;

/** Lines "OWNER:FIRST:COUNT" of /etc/subuid or /etc/subgid. Lines of another form are passed over, as the system does it. */
export function parseSubordinateIds(text: string): SubordinateRange[] {
  return text.split("\n").flatMap((line) => {
    const [, owner = "", first = "", size = ""] = /^([^#:\s][^:]*):(\d{1,10}):(\d{1,10})$/.exec(line) ?? [];
    const range = { owner, first: Number(first), size: Number(size) };
    return owner !== "" && range.size > 0 && range.first + range.size - 1 <= LAST_ID ? [range] : [];
  });
}

/** The ranges of one of these owners in a file, lowest first; none when there is no file. */
export function subordinateRanges(file: string, owners: readonly string[]): SubordinateRange[] {
  const all = existsSync(file) ? parseSubordinateIds(readFileSync(file, "utf8")) : [];
  return all.filter(({ owner }) => owners.includes(owner)).sort((a, b) => a.first - b.first);
}
