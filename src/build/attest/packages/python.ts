import { encoded, type Package } from "./package.ts";

/** The distribution that the METADATA of a dist-info folder describes (PyPA core metadata): fields up to the first empty line. */
export function parseDistInfo(text: string, path: string): Package[] {
  const [head = ""] = text.replaceAll("\r\n", "\n").split("\n\n", 1);
  const field = (key: string) => new RegExp(`^${key}: *(.*)$`, "m").exec(head)?.[1]?.trim() ?? "";
  const [name, version] = [field("Name"), field("Version")];
  if (name === "" || version === "") return [];
  // PyPI takes names that differ in case and separators for one (PEP 503).
  const normal = name.toLowerCase().replaceAll(/[-_.]+/g, "-");
  const license = field("License-Expression") || field("License");
  return [{ name, version, license, foundIn: path, purl: `pkg:pypi/${encoded(normal)}@${encoded(version)}` }];
}
