import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Peer } from "./peer.ts";

/** A registry that can be made to forget everything. */
export interface EmptyRegistry {
  readonly address: string;
  empty(): void;
}

/**
 * Debian's docker-registry on the loopback of every engine, at the same address and over the same folder: what one
 * engine pushes, all of them pull. Ends them when disposed.
 */
export async function startRegistries(
  folder: string,
  peers: readonly Peer[],
): Promise<AsyncDisposable & EmptyRegistry> {
  await using stack = new AsyncDisposableStack();
  const address = `127.0.0.1:${await freePort()}`;
  const place = mkdtempSync(join(folder, "registry-"));
  const configuration = join(place, "registry.yml");
  const data = join(place, "data");
  const storage = `filesystem: {rootdirectory: ${data}}`;
  writeFileSync(configuration, `version: 0.1\nstorage: {${storage}}\nhttp: {addr: "${address}"}\n`);
  for (const peer of peers) {
    const [program = "", ...args] = [...peer.inside, "docker-registry", "serve", configuration];
    const registry = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    stack.defer(async () => {
      const ended = once(registry, "exit");
      registry.kill("SIGKILL");
      await ended;
    });
    for await (const line of createInterface({ input: registry.stderr }))
      if (line.includes("listening on")) break;
    // Nobody reads on; a full pipe would hold the registry up.
    registry.stderr.resume();
  }
  const owned = stack.move();
  const empty = () => rmSync(data, { recursive: true, force: true });
  return { address, empty, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
