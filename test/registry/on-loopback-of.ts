import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream";

/**
 * Make a registry ("127.0.0.1:PORT") answer at the same address on the loopback of another network namespace, that of
 * the process `pid`: engines on both sides then know its images by the same names.
 */
export async function onLoopbackOf(pid: number, registry: string): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gantry-forward-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const port = Number(registry.split(":")[1]);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.add(incoming).add(outgoing);
    // A side that breaks takes the other with it.
    pipeline(incoming, outgoing, () => undefined);
    pipeline(outgoing, incoming, () => undefined);
    outgoing.on("close", () => sockets.delete(outgoing));
    incoming.on("close", () => sockets.delete(incoming));
  });
  server.listen(join(folder, "s"));
  await once(server, "listening");
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const program = [
    process.execPath,
    join(import.meta.dirname, "forward-server.ts"),
    String(port),
    join(folder, "s"),
  ];
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "nsenter", "--net", "--target", String(pid), ...program],
    { stdio: ["ignore", "ignore", "inherit", "pipe"] },
  );
  stack.defer(async () => {
    const ended = once(child, "exit");
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await ended;
    }
  });
  const ready = child.stdio[3];
  if (ready === null || ready === undefined) throw new Error("the forwarder has no pipe for its readiness");
  await Promise.race([
    once(ready, "data"),
    once(child, "exit").then(() => Promise.reject(new Error("the forwarder ended"))),
  ]);
  ready.destroy();
  const owned = stack.move();
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
