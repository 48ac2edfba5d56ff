import { formatTarHeader, TAR_BLOCK } from "./tar-header.ts";

/** A member of an archive to write: a folder, or a file with its size told before its bytes are opened. */
export type TarMember =
  | { readonly type: "directory"; readonly path: string; readonly mode?: number }
  | { readonly type: "symlink"; readonly path: string; readonly to: string }
  | { readonly type: "hardlink"; readonly path: string; readonly to: string; readonly mode?: number }
  | {
      readonly type: "file";
      readonly path: string;
      readonly mode?: number;
      readonly sizeBytes: number;
      open(): AsyncIterable<Uint8Array>;
    };

const FLAGS = { file: "0", hardlink: "1", symlink: "2", directory: "5" } as const;

/**
 * A tar of these members, the same bytes for the same members: owner 0:0, time 0 (`mtime` overrides it, in seconds).
 * Names have at most 100 bytes. Opens one member at a time and closes it when the reader goes away.
 */
export async function* writeTar(
  members: Iterable<TarMember> | AsyncIterable<TarMember>,
  mtime = 0,
): AsyncGenerator<Uint8Array> {
  for await (const member of members) {
    const sizeBytes = member.type === "file" ? member.sizeBytes : 0;
    const linkName = member.type === "symlink" || member.type === "hardlink" ? member.to : "";
    const mode = "mode" in member && member.mode !== undefined ? member.mode : defaultMode(member.type);
    yield formatTarHeader({
      name: member.type === "directory" ? `${member.path}/` : member.path,
      mode,
      uid: 0,
      gid: 0,
      sizeBytes,
      mtime,
      type: FLAGS[member.type],
      linkName,
    });
    if (member.type !== "file") continue;
    let written = 0;
    for await (const chunk of member.open()) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== sizeBytes)
      throw new RangeError(`${member.path} has ${written} bytes instead of ${sizeBytes}`);
    if (sizeBytes % TAR_BLOCK !== 0) yield Buffer.alloc(TAR_BLOCK - (sizeBytes % TAR_BLOCK));
  }
  yield Buffer.alloc(2 * TAR_BLOCK);
}

function defaultMode(type: TarMember["type"]): number {
  if (type === "directory") return 0o755;
  return type === "symlink" ? 0o777 : 0o644;
}
