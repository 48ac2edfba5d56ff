import { expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sourceTreeShimPath } from "../platform/index.ts";
import { openNamesRelay } from "./index.ts";

const PORT = 5353;
/** 127.0.0.11:5353 in /proc/net/udp. */
const LISTENS = "0B00007F:14E9";

async function untilItSpeaks(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error("its output is not a pipe");
  await once(child.stdout, "data");
}

test("a helper of another build is replaced, with its sockets; one of the own build stays", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-names-"));
  const shimPath = sourceTreeShimPath();
  const socketPath = join(folder, "names.sock");
  const namespace = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up; echo up; exec cat"]);
  await untilItSpeaks(namespace);
  const place = { key: 7n, namespace: `/proc/${namespace.pid}/ns/net`, port: PORT };
  const old = spawn(shimPath, ["names", socketPath, "an older one"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await untilItSpeaks(old);
  const ended = once(old, "exit");
  const listening = () =>
    readFileSync(`/proc/${namespace.pid}/net/udp`, "utf8")
      .split("\n")
      .filter((line) => line.includes(LISTENS)).length;
  // As the older daemon left it: a place is open, and nobody is connected.
  const frame = Buffer.concat([
    Buffer.alloc(13),
    Buffer.from([PORT & 0xff, PORT >> 8]),
    Buffer.from(`${place.namespace}\0`),
  ]);
  frame.writeUInt32LE(frame.length - 4, 0);
  frame[4] = 3;
  frame.writeBigUInt64LE(place.key, 5);
  const older = connect(socketPath);
  older.write(frame);
  await once(older, "data");
  older.destroy();
  expect(listening()).toBe(1);

  const { promise: asked, resolve } = Promise.withResolvers<string>();
  const options = {
    shimPath,
    socketPath,
    respond: async (key: bigint, message: Buffer) => void resolve(`${key} ${message}`),
  };
  let relay = await openNamesRelay(options);
  await ended;
  expect(listening()).toBe(0);
  expect(await relay.retain([place])).toEqual([]);
  await relay[Symbol.asyncDispose]();
  relay = await openNamesRelay(options);
  expect(listening()).toBe(1);
  execFileSync("nsenter", [
    "-t",
    String(namespace.pid),
    "-n",
    "bash",
    "-c",
    `printf who >/dev/udp/127.0.0.11/${PORT}`,
  ]);
  expect(await asked).toBe("7 who");
  relay.close(place.key);
  await relay[Symbol.asyncDispose]();
  namespace.stdin.end();
  await once(namespace, "exit");
  rmSync(folder, { recursive: true, force: true });
});
