import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { errnoOf, invalid } from "../../errors/index.ts";
import { writeFileAtomic } from "../../platform/index.ts";
import type { SeccompProfile, SyscallRule } from "./profile.ts";

export interface SeccompCompiler {
  /** The filter of a profile for a process with these capabilities ("CAP_…"): struct sock_filter[] for seccomp(2). */
  compile(profile: SeccompProfile, capabilities: ReadonlySet<string>): Promise<Uint8Array>;
}

export const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  ppc64: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
};

/** The 32-bit kin that a 64-bit kernel also runs, in libseccomp's words. */
export const COMPATIBLE: Readonly<Record<string, readonly string[]>> = {
  amd64: ["x86", "x32"],
  arm64: ["arm"],
  s390x: ["s390"],
};

/**
 * Compiles through the helper's seccomp mode (libseccomp) and keeps every program, in memory and in `cacheFolder`
 * under the hash of its rules with the program's own hash before it: a start that has a known filter pays nothing,
 * and a damaged file is compiled again.
 */
export function createSeccompCompiler({
  shimPath,
  cacheFolder,
}: {
  shimPath: string;
  cacheFolder: string;
}): SeccompCompiler {
  mkdirSync(cacheFolder, { recursive: true, mode: 0o700 });
  const known = new Map<string, Promise<Uint8Array>>();
  const goArch = GO_ARCHITECTURES[arch()] ?? arch();
  return {
    compile(profile, capabilities) {
      const input = describe(profile, capabilities, goArch, release());
      const key = createHash("sha256").update(input).digest("hex");
      const program = known.get(key) ?? loadOrCompile(shimPath, join(cacheFolder, key), input);
      known.set(key, program);
      program.catch(() => known.delete(key));
      return program;
    },
  };
}

async function loadOrCompile(shimPath: string, file: string, input: string): Promise<Uint8Array> {
  const kept = readKept(file);
  if (kept !== undefined) return kept;
  const compiler = spawn(shimPath, ["seccomp"], { stdio: ["pipe", "pipe", "pipe"], env: {} });
  const ended = new Promise<number | null>((resolve, reject) =>
    compiler.once("close", resolve).once("error", reject),
  );
  compiler.stdin.end(input);
  const [program, complaint, code] = await Promise.all([
    buffer(compiler.stdout),
    text(compiler.stderr),
    ended,
  ]);
  if (code !== 0)
    throw invalid(
      `the seccomp profile cannot be compiled: ${complaint.trim().replace("gantry-shim seccomp: ", "")}`,
    );
  writeFileAtomic(file, Buffer.concat([hash(program), program]), 0o600);
  return program;
}

const HASH_BYTES = 32;
const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

function readKept(file: string): Uint8Array | undefined {
  try {
    const bytes = readFileSync(file);
    const program = bytes.subarray(HASH_BYTES);
    return program.length > 0 && hash(program).equals(bytes.subarray(0, HASH_BYTES)) ? program : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The profile as the lines that the helper takes, with all conditions decided. */
export function describe(
  profile: SeccompProfile,
  capabilities: ReadonlySet<string>,
  goArch: string,
  kernel: string,
): string {
  const lines = [`default ${profile.defaultAction} ${profile.defaultErrno}`];
  const others =
    profile.architectures === "native-with-compatible" ? (COMPATIBLE[goArch] ?? []) : profile.architectures;
  for (const name of others) lines.push(`arch ${name}`);
  for (const rule of profile.rules) {
    if (!applies(rule, capabilities, goArch, kernel)) continue;
    const conditions = rule.args
      .map(({ index, op, value, valueTwo }) => ` ${index} ${op} ${value} ${valueTwo}`)
      .join("");
    for (const name of rule.names) lines.push(`rule ${rule.action} ${rule.errno ?? 1} ${name}${conditions}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Whether a rule holds for a process with these capabilities, on such a machine. */
export function applies(
  rule: SyscallRule,
  capabilities: ReadonlySet<string>,
  goArch: string,
  kernel: string,
): boolean {
  const { onlyWith = [], notWith = [], onlyArchitectures = [], notArchitectures = [], minKernel } = rule;
  return (
    onlyWith.every((capability) => capabilities.has(capability)) &&
    !notWith.some((capability) => capabilities.has(capability)) &&
    (onlyArchitectures.length === 0 || onlyArchitectures.includes(goArch)) &&
    !notArchitectures.includes(goArch) &&
    (minKernel === undefined || isAtLeast(kernel, minKernel))
  );
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
