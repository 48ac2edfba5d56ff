import { type Distribution, encoded, type Package } from "../package.ts";
import { readBdb } from "./bdb.ts";
import { parseRpmHeader, type RpmHeader } from "./header.ts";
import { readNdb } from "./ndb.ts";
import { readTable } from "./sqlite-table.ts";

/** The packages of rpm's database in its SQLite form (rpmdb.sqlite). Throws invalid. */
export function parseRpmSqlite(file: Buffer, path: string, distribution: Distribution): Package[] {
  const headers: RpmHeader[] = [];
  for (const [, blob] of readTable(file, "Packages"))
    if (Buffer.isBuffer(blob)) headers.push(parseRpmHeader(blob));
  return packagesOf(headers, path, distribution);
}

/** The packages of rpm's database in its own form (Packages.db). Throws invalid. */
export const parseRpmNdb = (file: Buffer, path: string, distribution: Distribution): Package[] =>
  packagesOf([...readNdb(file)].map(parseRpmHeader), path, distribution);

/** The packages of rpm's database in the format of Berkeley DB (Packages). Throws invalid. */
export const parseRpmBdb = (file: Buffer, path: string, distribution: Distribution): Package[] =>
  packagesOf([...readBdb(file)].map(parseRpmHeader), path, distribution);

function packagesOf(headers: readonly RpmHeader[], path: string, { id, versionId }: Distribution): Package[] {
  return headers.flatMap(({ name, version, release, epoch, architecture, license }) => {
    // Keys of signatures are kept as packages that nothing was installed with.
    if (name === "" || version === "" || name === "gpg-pubkey") return [];
    const whole = release === "" ? version : `${version}-${release}`;
    const qualifiers = [
      ...(architecture === "" ? [] : [`arch=${encoded(architecture)}`]),
      ...(versionId === "" ? [] : [`distro=${encoded(`${id}-${versionId}`)}`]),
      ...(epoch === undefined ? [] : [`epoch=${epoch}`]),
    ].join("&");
    const purl = `pkg:rpm/${id === "" ? "" : `${encoded(id)}/`}${encoded(name)}@${encoded(whole)}`;
    return [
      {
        name,
        version: epoch === undefined ? whole : `${epoch}:${whole}`,
        license,
        foundIn: path,
        purl: qualifiers === "" ? purl : `${purl}?${qualifiers}`,
      },
    ];
  });
}
