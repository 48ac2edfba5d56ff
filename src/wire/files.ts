/** What is at a path of a container: the header X-Docker-Container-Path-Stat, as base64 of JSON (API 1.51). */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's os.FileMode: permissions, and the type in the upper bits. */
  readonly mode: number;
  /** RFC 3339 */
  readonly mtime: string;
  readonly linkTarget: string;
}

/** A line of `diff`: kind 0 modified, 1 added, 2 deleted. */
export interface FilesystemChange {
  readonly Kind: number;
  readonly Path: string;
}
