import { formatTarHeader, TAR_BLOCK, type TarHeader } from "./tar-header.ts";

/** An entry of a tar; what is not said is a plain file's. */
export type Member = Partial<TarHeader> & { name: string; data?: string | Uint8Array };

/** A tar by hand, so that it can be as wrong as a test needs it. */
export function tar(...members: Member[]): Buffer {
  const parts = members.flatMap(({ data = "", ...header }) => {
    const bytes = Buffer.from(data);
    const full = {
      mode: 0o755,
      uid: 0,
      gid: 0,
      sizeBytes: bytes.length,
      mtime: 1,
      type: "0",
      linkName: "",
      ...header,
    };
    return [formatTarHeader(full), bytes, Buffer.alloc((TAR_BLOCK - (bytes.length % TAR_BLOCK)) % TAR_BLOCK)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * TAR_BLOCK)]);
}

/** A header of further records (pax(1)) for the entry that follows it. */
export function pax(records: Record<string, string>): Member {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (`${length}`.length + rest !== length) length++;
    return `${length} ${key}=${value}\n`;
  });
  return { name: "PaxHeader", type: "x", data: lines.join("") };
}
