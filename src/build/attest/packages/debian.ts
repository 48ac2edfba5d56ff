import { type Distribution, encoded, type Package } from "./package.ts";

/** The packages of a dpkg status file, or of a file of its status.d (deb-control(5)), that are installed. */
export function parseDpkgStatus(text: string, path: string, { id, versionId }: Distribution): Package[] {
  return text.split(/\n\n+/).flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "m").exec(paragraph)?.[1]?.trim() ?? "";
    const [name, version, status] = [field("Package"), field("Version"), field("Status")];
    if (name === "" || version === "" || (status !== "" && !status.endsWith(" installed"))) return [];
    const qualifiers = [
      ...(field("Architecture") === "" ? [] : [`arch=${encoded(field("Architecture"))}`]),
      ...(versionId === "" ? [] : [`distro=${encoded(`${id}-${versionId}`)}`]),
    ].join("&");
    const purl = `pkg:deb/${encoded(id || "debian")}/${encoded(name)}@${encoded(version)}`;
    return [
      { name, version, license: "", foundIn: path, purl: qualifiers === "" ? purl : `${purl}?${qualifiers}` },
    ];
  });
}
