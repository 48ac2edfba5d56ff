import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const CONTENT = "from afar\n";

/** What ADD fetches by address, on loopback: files by HTTP, and a git repository. */
export interface RemoteFiles extends AsyncDisposable {
  /** For the options of cases. */
  readonly values: Readonly<Record<string, string>>;
}

export async function serveRemoteFiles(archive: Uint8Array): Promise<RemoteFiles> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-remote-"));
  const commit = makeRepository(join(folder, "repo"));
  const git = await startGitDaemon(folder);
  const bodies: Readonly<Record<string, Uint8Array>> = {
    "/remote.txt": Buffer.from(CONTENT),
    "/archive.tgz": gzipSync(archive),
  };
  const server = createServer((request, response) => {
    const body = bodies[request.url ?? ""];
    response.writeHead(body === undefined ? 404 : 200, { "Last-Modified": "Thu, 01 Jan 2004 00:00:00 GMT" });
    response.end(body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    values: {
      server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      git: `git://127.0.0.1:${git.port}/repo`,
      commit,
      sum: createHash("sha256").update(CONTENT).digest("hex"),
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await git[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Branches main, other and image (which can be built), a tag v1, a folder, a program, a link. Gives the tag's commit. */
function makeRepository(path: string): string {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", path, "-c", "user.name=x", "-c", "user.email=x@invalid", ...args], {
      encoding: "utf8",
    });
  mkdirSync(join(path, "sub"), { recursive: true });
  git("init", "-q", "-b", "main");
  writeFileSync(join(path, "README"), "readme\n");
  writeFileSync(join(path, "sub/in"), "in\n");
  writeFileSync(join(path, "run"), "#!/bin/sh\n");
  chmodSync(join(path, "run"), 0o755);
  symlinkSync("README", join(path, "link"));
  git("add", ".");
  git("commit", "-q", "-m", "first");
  git("tag", "v1");
  git("checkout", "-q", "-b", "other");
  writeFileSync(join(path, "README"), "other\n");
  git("commit", "-q", "-a", "-m", "second");
  git("checkout", "-q", "-b", "image");
  writeFileSync(join(path, "Dockerfile"), "FROM busybox\nCOPY README /\n");
  writeFileSync(join(path, "sub/Dockerfile"), "FROM busybox\nCOPY in /\n");
  git("add", ".");
  git("commit", "-q", "-m", "third");
  git("checkout", "-q", "main");
  writeFileSync(join(path, ".git/git-daemon-export-ok"), "");
  return git("rev-parse", "v1").trim();
}

/** git-daemon(1) takes no port 0, so a free one is found for it; it says when it listens. */
async function startGitDaemon(folder: string): Promise<AsyncDisposable & { port: number }> {
  const place = createTcpServer().listen(0, "127.0.0.1");
  await once(place, "listening");
  const { port } = place.address() as AddressInfo;
  place.close();
  await once(place, "close");
  const daemon = spawn(
    "setpriv",
    [
      ...["--pdeathsig", "KILL", "git", "daemon"],
      "--listen=127.0.0.1",
      `--port=${port}`,
      `--base-path=${folder}`,
      "--reuseaddr",
      "--verbose",
      folder,
    ],
    { stdio: ["ignore", "ignore", "pipe"], detached: true },
  );
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  let log = "";
  // Read on to its end: it logs every request.
  daemon.stderr.on("data", (chunk) => {
    log += String(chunk);
    if (log.includes("Ready to rumble")) resolve();
  });
  daemon.once("exit", () => reject(new Error(`git daemon ended: ${log}`)));
  await ready;
  return {
    port,
    async [Symbol.asyncDispose]() {
      const ended = once(daemon, "exit");
      // The daemon itself is a child of the git program.
      if (daemon.pid !== undefined) process.kill(-daemon.pid, "SIGKILL");
      await ended;
    },
  };
}
