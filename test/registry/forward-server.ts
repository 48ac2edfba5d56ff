import { writeSync } from "node:fs";
import { connect, createServer } from "node:net";
import { pipeline } from "node:stream";

/**
 * Run as a program in another network namespace: connections to the loopback port of the first argument go on to the
 * unix socket of the second, which the namespace does not hide. Writes a line to descriptor 3 once it listens.
 */
const [port = "", socket = ""] = process.argv.slice(2);

const server = createServer({ allowHalfOpen: true }, (incoming) => {
  const outgoing = connect({ path: socket, allowHalfOpen: true });
  // A side that breaks takes the other with it.
  pipeline(incoming, outgoing, () => undefined);
  pipeline(outgoing, incoming, () => undefined);
});
server.listen(Number(port), "127.0.0.1", () => writeSync(3, "listening\n"));
