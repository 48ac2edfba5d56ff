import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** What an engine can leave on a machine, one list of names per kind. */
export type Traces = ReadonlyMap<string, ReadonlySet<string>>;

/** Folders into which an engine that ignores its options would write. */
const FOLDERS = ["/tmp", "/var/tmp", "/run", "/var/lib", "/var/log", "/dev/shm", "/etc", "/opt", "/root"];

/**
 * What the tools of the comparisons make once on a machine, for themselves: the copies that useradd and usermod keep of the
 * files they change, and where podman, skopeo and buildah remember blobs.
 */
const OF_TOOLS = /^\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-$|^\/var\/lib\/containers$/;

/** Take stock of mounts, links, cgroups, packet rules, processes of engines, and files. Needs root. */
export async function readTraces(): Promise<Traces> {
  return new Map([
    ["mount", new Set(mountPoints())],
    ["network link", new Set(readdirSync("/sys/class/net"))],
    ["cgroup", new Set(cgroups())],
    ["nftables rule", new Set(rules("nft", ["list", "ruleset"]))],
    ["iptables rule", new Set(rules("iptables-save", []))],
    ["process", new Set(processes())],
    ["file", new Set(FOLDERS.flatMap(entries).filter((file) => !OF_TOOLS.test(file)))],
    ["change of the source tree", new Set(sourceTree())],
  ]);
}

/** One line for each thing that is there after and was not before, or the reverse. */
export function compareTraces(before: Traces, after: Traces): string[] {
  const lines: string[] = [];
  for (const [kind, names] of after) {
    const old = before.get(kind) ?? new Set();
    for (const name of names.difference(old)) lines.push(`left behind: ${kind} ${name}`);
    for (const name of old.difference(names)) {
      // Whoever else runs here may end a process, and with it its control group, or remove a file of his own.
      if (kind !== "process" && kind !== "file" && kind !== "cgroup") lines.push(`gone: ${kind} ${name}`);
    }
  }
  return lines;
}

function mountPoints(): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n");
  return lines.map((line) => `${line.split(" ")[4]} (${line.split(" - ")[1]})`);
}

function cgroups(): string[] {
  const found: string[] = [];
  const walk = (folder: string, depth: number) => {
    for (const entry of entriesOf(folder)) {
      if (!entry.isDirectory()) continue;
      found.push(`${folder}/${entry.name}`);
      if (depth < 6) walk(`${folder}/${entry.name}`, depth + 1);
    }
  };
  walk("/sys/fs/cgroup", 0);
  return found;
}

function rules(program: string, args: readonly string[]): string[] {
  const text = execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.replace(/\[\d+:\d+\]|counter packets \d+ bytes \d+/g, "").trim());
}

/** Engines, shims and what they started, by pid: a name alone could be of a process that was there before. */
function processes(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      const ours =
        /gantry|dockerd|containerd|podman|conmon/.test(command) || environment.includes("gantry-test-");
      return ours ? [`${pid} ${command.slice(0, 120)}`] : [];
    } catch {
      return [];
    }
  });
}

function entries(folder: string): string[] {
  return entriesOf(folder).map(({ name }) => `${folder}/${name}`);
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function sourceTree(): string[] {
  const status = execFileSync("git", ["status", "--porcelain"], { encoding: "utf8" });
  return status.split("\n").filter((line) => line !== "");
}
