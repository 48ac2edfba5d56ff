import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { EngineError, invalid, messageOf, notFound } from "../../errors/index.ts";
import { connectionWords, type RegistryNetwork, sendAlong } from "../../registry/index.ts";

/** What was fetched: a file, or a folder, below the folder it was fetched into. */
export interface Fetched {
  readonly kind: "file" | "folder";
  /** Relative; "" for the whole folder. */
  readonly path: string;
}

/** `…git#REF:SUBDIR`, `git@…`, `git://…`; undefined for other addresses. */
export function parseGitAddress(text: string): { url: string; ref: string; folder: string } | undefined {
  const [address = "", fragment = ""] = text.split("#", 2);
  if (!/^(git:\/\/|ssh:\/\/|git@)/.test(address) && !/^https?:\/\/.*\.git$/.test(address)) return undefined;
  const [ref = "", folder = ""] = fragment.split(":", 2);
  return { url: address, ref, folder };
}

/** How to fetch, and what to make of it. */
export interface FetchOptions {
  /** The proxies and authorities that registries are reached with. */
  readonly network: RegistryNetwork;
  /** "sha256:…" of a file, or a commit; "" for any. */
  readonly checksum: string;
  readonly keepGitDir: boolean;
}

/** Fetch what ADD or a build names by address. Throws not-found or invalid with what the other side said. */
export async function fetchRemote(
  address: string,
  into: string,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<Fetched> {
  const git = parseGitAddress(address);
  if (git !== undefined) return cloneGit(git, into, options, signal);
  return download(address, into, options, signal);
}

async function download(
  address: string,
  into: string,
  { network, checksum }: FetchOptions,
  signal: AbortSignal,
): Promise<Fetched> {
  if (checksum !== "" && !/^sha256:[0-9a-f]{64}$/.test(checksum))
    throw invalid(`unsupported checksum ${checksum}: want sha256 and 64 digits`);
  if (!URL.canParse(address)) throw invalid(`invalid URL ${JSON.stringify(address)}`);
  const url = new URL(address);
  const { status, headers, body } = await sendAlong(network, { method: "GET", url }, signal).catch(
    (cause) => {
      signal.throwIfAborted();
      const words = cause instanceof EngineError && cause.cause !== undefined ? cause.cause : cause;
      throw notFound(`failed to download ${address}: ${connectionWords(url, words)}`, { cause });
    },
  );
  if (status < 200 || status > 299) {
    body.destroy();
    throw notFound(`failed to download ${address}: invalid response status ${status}`);
  }
  const name = nameOf(url, headers["content-disposition"] ?? "");
  const path = join(into, name);
  const hash = createHash("sha256");
  body.on("data", (chunk: Buffer) => hash.update(chunk));
  await pipeline(body, createWriteStream(path, { mode: 0o600 }), { signal });
  const digest = `sha256:${hash.digest("hex")}`;
  if (checksum !== "" && digest !== checksum) {
    await rm(path);
    throw invalid(`digest mismatch ${digest}: ${checksum}`);
  }
  const modified = Date.parse(headers["last-modified"] ?? "");
  const seconds = Number.isNaN(modified) ? 0 : modified / 1000;
  await utimes(path, seconds, seconds);
  return { kind: "file", path: name };
}

/** The last part of the address, or what the server calls it. */
function nameOf(url: URL, disposition: string): string {
  const [, given = ""] = /filename="?([^";]+)"?/.exec(disposition) ?? [];
  const name = basename(given) || basename(decodeURIComponent(url.pathname));
  if (name === "" || name === "." || name === ".." || name.includes("/"))
    throw invalid(`cannot determine filename from url: ${url.href}`);
  return name;
}

/** What git is to know of the daemon's environment. */
const PROXIES = ["http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"];

const run = promisify(execFile);

async function cloneGit(
  { url, ref, folder }: { url: string; ref: string; folder: string },
  into: string,
  options: FetchOptions,
  signal: AbortSignal,
): Promise<Fetched> {
  if (folder.split("/").includes("..") || url.startsWith("-") || ref.startsWith("-"))
    throw invalid(`invalid git reference: ${url}#${ref}:${folder}`);
  const git = async (...args: string[]) => {
    try {
      // No prompt, no hooks and no settings of this machine: the repository is somebody else's.
      const env = {
        ...Object.fromEntries(PROXIES.map((name) => [name, process.env[name]])),
        PATH: process.env.PATH,
        HOME: "/nonexistent",
        GIT_TERMINAL_PROMPT: "0",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_PROTOCOL_FROM_USER: "0",
      };
      const flags = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "protocol.file.allow=never",
        "-c",
        "core.symlinks=true",
      ];
      return (await run("git", [...flags, "-C", into, ...args], { signal, env })).stdout.trim();
    } catch (cause) {
      signal.throwIfAborted();
      throw notFound(`failed to fetch ${url}${ref === "" ? "" : `#${ref}`}: ${gitWords(cause)}`, { cause });
    }
  };
  await git("init", "-q");
  await git("fetch", "-q", "--depth", "1", "--", url, ref === "" ? "HEAD" : ref);
  await git("checkout", "-q", "FETCH_HEAD");
  if (options.checksum !== "") {
    const commit = await git("rev-parse", "HEAD");
    if (!commit.startsWith(options.checksum))
      throw invalid(`expected checksum to match ${options.checksum}, got ${commit}`);
  }
  await git("submodule", "update", "-q", "--init", "--recursive", "--depth", "1");
  if (!options.keepGitDir) await rm(join(into, ".git"), { recursive: true });
  return { kind: "folder", path: folder };
}

function gitWords(error: unknown): string {
  const text = error instanceof Error && "stderr" in error ? String(error.stderr) : messageOf(error);
  return text.trim().split("\n").at(-1) ?? "";
}
