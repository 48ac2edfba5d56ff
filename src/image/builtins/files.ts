import type { TarMember } from "../../archive/index.ts";

export function file(path: string, content: string | Uint8Array, mode: number): TarMember {
  const bytes = Buffer.from(content);
  return {
    type: "file",
    path,
    mode,
    sizeBytes: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

export function folder(path: string, mode = 0o755): TarMember {
  return { type: "directory", path, mode };
}
