import { type Distribution, encoded, type Package } from "./package.ts";

/** The packages of apk's database of installed ones: lines of a letter and a value, an empty line between packages. */
export function parseApkInstalled(text: string, path: string, { id, versionId }: Distribution): Package[] {
  return text.split(/\n\n+/).flatMap((paragraph) => {
    const field = (letter: string) => new RegExp(`^${letter}:(.*)$`, "m").exec(paragraph)?.[1]?.trim() ?? "";
    const [name, version] = [field("P"), field("V")];
    if (name === "" || version === "") return [];
    const qualifiers = [
      ...(field("A") === "" ? [] : [`arch=${encoded(field("A"))}`]),
      ...(versionId === "" ? [] : [`distro=${encoded(`${id}-${versionId}`)}`]),
    ].join("&");
    const purl = `pkg:apk/${encoded(id || "alpine")}/${encoded(name)}@${encoded(version)}`;
    return [
      {
        name,
        version,
        license: field("L"),
        foundIn: path,
        purl: qualifiers === "" ? purl : `${purl}?${qualifiers}`,
      },
    ];
  });
}
