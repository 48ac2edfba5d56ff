import { spawn } from "node:child_process";
import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { text } from "node:stream/consumers";
import { internal, invalid, messageOf, unsupported } from "../errors/index.ts";
import { parseBytes } from "../units/index.ts";
import type { Volume } from "./service.ts";

/** Options of the local driver: what is mounted behind a volume's folder while containers use it. */
const KNOWN = new Set(["type", "device", "o", "size"]);

/** Check the options of a volume to be made. Throws invalid in Docker's words. */
export function validateOptions(options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) if (!KNOWN.has(key)) throw invalid(`invalid option: "${key}"`);
  if (options.size !== undefined) parseBytes(options.size);
  const { type = "", device = "", o = "" } = options;
  if (options.size !== undefined && type !== "" && type !== "tmpfs") {
    throw unsupported(
      `the option size limits volumes in the engine's own folder and those of the type tmpfs: what a mount of the type ${type} may take is its own file system's affair`,
    );
  }
  if (type === "" && device === "" && o === "") return;
  for (const [key, value] of [
    ["type", type],
    ["device", device],
  ] as const)
    if (value === "") throw invalid(`missing required option: "${key}"`);
}

/** Whether something is mounted behind the folder. */
export const isMountVolume = ({ options }: Pick<Volume, "options">): boolean => (options.type ?? "") !== "";

/** What a volume in the engine's own folder may take on the disk, in bytes; undefined: no limit, which size=0 stands for too. */
export function limitOf({ options }: Pick<Volume, "options">): number | undefined {
  if (options.size === undefined || isMountVolume({ options })) return undefined;
  return parseBytes(options.size) || undefined;
}

/** File systems of a network, whose server "addr" may name. */
const OF_NETWORK = new Set(["nfs", "nfs4", "cifs"]);
const ADDRESS = /(?<=^|,)addr=([^,]+)/;

/**
 * Mount what the options say; no error when it is mounted already. A server that "addr" names is looked up, as the kernel
 * takes numbers alone; then the options are whole as they are (nfs(5)), and no helper of mount(8) is asked, which would want
 * the server in the device's name.
 */
export async function mountVolume({ mountpoint, options }: Volume): Promise<void> {
  if (isMounted(mountpoint)) return;
  const { type = "", device = "", o = "", size } = options;
  const server = OF_NETWORK.has(type) ? ADDRESS.exec(o)?.[1] : undefined;
  const problem = (data: string, complaint: string) =>
    internal(
      `error while mounting volume '${mountpoint}': failed to mount local volume: mount ${device}:${mountpoint}, data: ${withoutPassword(data)}: ${complaint}`,
    );
  const address = await numeric(server).catch((error) => {
    throw problem(o, messageOf(error));
  });
  const data = [
    address === undefined ? o : o.replace(ADDRESS, `addr=${address}`),
    ...(size !== undefined && type === "tmpfs" ? [`size=${parseBytes(size)}`] : []),
  ]
    .filter(Boolean)
    .join(",");
  const args = [
    ...(server === undefined ? [] : ["-i"]),
    "-n",
    "-t",
    type,
    ...(data === "" ? [] : ["-o", data]),
  ];
  const complaint = await run("mount", [...args, device, mountpoint]);
  if (complaint !== undefined) throw problem(data, complaint);
}

async function numeric(server: string | undefined): Promise<string | undefined> {
  if (server === undefined || isIP(server) !== 0) return server;
  const found = await lookup(server, { all: true });
  return (found.find(({ family }) => family === 4) ?? found[0])?.address;
}

const withoutPassword = (data: string): string =>
  data.replace(/(?<=^|,)(password|pass)=[^,]*/g, "$1=********");

export async function unmountVolume({ mountpoint }: Volume): Promise<void> {
  if (!isMounted(mountpoint)) return;
  const complaint = await run("umount", ["-n", mountpoint]);
  if (complaint !== undefined) throw internal(`error while unmounting volume '${mountpoint}': ${complaint}`);
}

/** /proc/self/mountinfo writes blanks and backslashes of a path as octal numbers (proc(5)). */
function isMounted(folder: string): boolean {
  const escaped = folder.replace(
    /[ \t\n\\]/g,
    (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === escaped);
}

/** What a program complained of, or undefined when it did not. */
async function run(program: string, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  const [complaint, code] = await Promise.all([text(child.stderr), ended]);
  return code === 0 ? undefined : complaint.trim() || `${program} ended with code ${code}`;
}
