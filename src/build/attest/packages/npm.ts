import { encoded, type Package } from "./package.ts";

/** The package that a package.json in a node_modules folder describes; none for a file that describes none. */
export function parsePackageJson(text: string, path: string): Package[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // Tests and templates of packages hold broken ones on purpose.
    return [];
  }
  if (typeof document !== "object" || document === null) return [];
  const { name, version, license }: { name?: unknown; version?: unknown; license?: unknown } = document;
  if (typeof name !== "string" || typeof version !== "string" || name === "" || version === "") return [];
  const purl = `pkg:npm/${name.split("/").map(encoded).join("/")}@${encoded(version)}`;
  return [{ name, version, purl, license: typeof license === "string" ? license : "", foundIn: path }];
}
