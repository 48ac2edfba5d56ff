import { readFileSync } from "node:fs";
import { arch } from "node:os";
import { invalid, unsupported } from "../../errors/index.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm",
  ia32: "386",
};
const SPELLINGS: Readonly<Record<string, string>> = { x86_64: "amd64", "x86-64": "amd64", aarch64: "arm64" };
/** Names of emulators in binfmt_misc, by Go's architecture where they are others. */
const EMULATORS: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  arm64: "aarch64",
  "386": "i386",
  loong64: "loongarch64",
  mipsle: "mipsel",
  mips64le: "mips64el",
};

export const thisPlatform = (): Platform => ({
  os: "linux",
  architecture: GO_ARCHITECTURES[arch()] ?? arch(),
  variant: "",
});

/** "linux/arm/v7", "arm64", "linux"; "" is this machine's. Throws invalid. */
export function parsePlatform(text: string): Platform {
  const own = thisPlatform();
  if (text === "") return own;
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part)))
    throw invalid(`invalid platform ${JSON.stringify(text)}: want os/architecture[/variant]`);
  const [os = "", architecture = own.architecture, variant = ""] =
    parts.length === 1 && parts[0] !== "linux" ? ["linux", parts[0]] : parts;
  if (os !== "linux")
    throw unsupported(`operating system is not supported: ${text} (this engine builds for linux)`);
  return {
    os,
    architecture: SPELLINGS[architecture] ?? architecture,
    variant: architecture === "arm64" && variant === "v8" ? "" : variant,
  };
}

export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter((part) => part !== "").join("/");

/** Throws unsupported when programs of a platform cannot be executed here: not this machine's, and no emulator is registered (binfmt_misc). */
export function requireExecutable(platform: Platform): void {
  const { architecture } = platform;
  const own = thisPlatform().architecture;
  if (architecture === own || (own === "amd64" && architecture === "386")) return;
  const name = EMULATORS[architecture] ?? architecture;
  if (isEnabled(`/proc/sys/fs/binfmt_misc/qemu-${name}`)) return;
  throw unsupported(
    `cannot run programs for ${formatPlatform(platform)} on this machine: no emulator is registered (install qemu-user-static, which registers qemu-${name} with binfmt_misc)`,
  );
}

/** Whether a registered format is in use (kernel: admin-guide/binfmt-misc). */
function isEnabled(entry: string): boolean {
  try {
    return readFileSync(entry, "utf8").startsWith("enabled");
  } catch {
    return false;
  }
}

/** The arguments that every build has (BuildKit's "automatic platform ARGs"). */
export function platformArgs(target: Platform, stage: string): Map<string, string> {
  const build = thisPlatform();
  const of = (prefix: string, platform: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant],
  ];
  return new Map([
    ...of("TARGET", target),
    ...of("BUILD", build),
    ["TARGETSTAGE", stage === "" ? "default" : stage],
  ]);
}
