/** A package that is installed in an image, as its database or its own metadata tells. */
export interface Package {
  readonly name: string;
  readonly version: string;
  /** Package URL (purl-spec). */
  readonly purl: string;
  /** As declared; "" when it is not told. */
  readonly license: string;
  /** Path of the file that tells of it. */
  readonly foundIn: string;
}

/** One part of a package URL, as purl-spec wants it encoded. */
export const encoded = (part: string): string => encodeURIComponent(part).replaceAll("%3A", ":");

/** What a distribution calls itself in os-release(5). */
export interface Distribution {
  readonly id: string;
  readonly versionId: string;
}

/** Throws nothing: a file that says nothing of itself is an unknown distribution. */
export function parseOsRelease(text: string): Distribution {
  const value = (key: string) =>
    new RegExp(`^${key}=["']?([^"'\\n]*)["']?$`, "m").exec(text)?.[1]?.trim() ?? "";
  return { id: value("ID"), versionId: value("VERSION_ID") };
}
