import { arch } from "node:os";
import { invalid } from "../errors/index.ts";

/** What machine an image is for (OCI image-spec, image-index.md, "platform"), in the spelling of Go's GOOS and GOARCH. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  x64: "amd64",
  aarch64: "arm64",
  i386: "386",
  i686: "386",
  ia32: "386",
  armhf: "arm",
  armel: "arm",
};

/** This machine's. */
export const hostPlatform = (): Platform => normalise({ os: "linux", architecture: arch() });

/**
 * OS[/ARCH[/VARIANT]], or ARCH alone for this system's, with the common other spellings (x86_64, aarch64, armhf).
 * Throws invalid.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  if (parts.length > 3) throw invalid(`"${text}": cannot parse platform specifier: invalid argument`);
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part))
      throw invalid(
        `"${part}" is an invalid component of "${text}": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
      );
  }
  const [first = "", second, variant] = parts.map((part) => part.toLowerCase());
  const host = hostPlatform();
  if (second === undefined) {
    const isSystem = ["linux", "windows", "darwin", "freebsd"].includes(first);
    return isSystem ? { ...host, os: first } : normalise({ os: host.os, architecture: first });
  }
  return normalise({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
}

/** arm64 is v8 and arm is v7 when nothing is said; amd64 is v1; "v" may be left out (containerd's platforms). */
function normalise({ os, architecture, variant }: Platform): Platform {
  const name = ARCHITECTURES[architecture] ?? architecture;
  const given = architecture === "armel" ? (variant ?? "v6") : variant;
  const spelled = given !== undefined && /^\d+$/.test(given) ? `v${given}` : given;
  if (name === "arm64" && (spelled === "v8" || spelled === undefined)) return { os, architecture: name };
  if (name === "amd64" && spelled === "v1") return { os, architecture: name };
  if (name === "arm" && spelled === undefined) return { os, architecture: name, variant: "v7" };
  return { os, architecture: name, ...(spelled === undefined ? {} : { variant: spelled }) };
}

export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant ?? (architecture === "arm64" ? "v8" : undefined)]
    .filter((part) => part !== undefined)
    .join("/");

/** A platform's variants that run on a wanted one, the best first: an armv7 machine runs v6 and v5 too. */
function variantsFor({ architecture, variant }: Platform): (string | undefined)[] {
  const newest = /^v(\d+)$/.exec(variant ?? "")?.[1];
  if (newest === undefined) return [variant];
  const numbers = Array.from({ length: Number(newest) }, (_, below) => Number(newest) - below);
  if (architecture === "arm") return numbers.filter((number) => number >= 5).map((number) => `v${number}`);
  if (architecture === "amd64") return numbers.map((number) => (number === 1 ? undefined : `v${number}`));
  return [variant];
}

/** How well an image's platform serves the wanted one: 0 is best, undefined not at all. */
export function platformRank(offered: Platform, wanted: Platform): number | undefined {
  const [mine, theirs] = [normalise(wanted), normalise(offered)];
  if (mine.os !== theirs.os || mine.architecture !== theirs.architecture) return undefined;
  const rank = variantsFor(mine).indexOf(theirs.variant);
  return rank < 0 ? undefined : rank;
}

/** The entry that serves the wanted platform best, the first of equals; attestations ("unknown") never do. */
export function choosePlatform<T extends { readonly platform?: Platform }>(
  entries: readonly T[],
  wanted: Platform,
): T | undefined {
  const ranked = entries.flatMap((entry) => {
    const rank = entry.platform === undefined ? undefined : platformRank(entry.platform, wanted);
    return rank === undefined ? [] : [{ entry, rank }];
  });
  return ranked.toSorted((a, b) => a.rank - b.rank)[0]?.entry;
}
