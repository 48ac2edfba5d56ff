import { once } from "node:events";
import { chmodSync, chownSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";

/**
 * A socket that leads to an ssh agent: with the owner and mode that the step asks for, while the agent's own stays as it
 * is. Disposing ends all connections.
 */
export async function forwardAgent(
  agent: string,
  path: string,
  owner: { readonly mode: number; readonly uid: number; readonly gid: number },
): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(agent);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      // One side that breaks takes the other along.
      socket.on("error", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(path);
  await once(server, "listening");
  chmodSync(path, owner.mode);
  chownSync(path, owner.uid, owner.gid);
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
