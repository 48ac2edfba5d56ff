import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";

/** Send a line to a port of loopback and give what comes back. */
export async function askPort(protocol: "tcp" | "udp", port: number, address = "127.0.0.1"): Promise<string> {
  return protocol === "tcp" ? askTcp(port, address) : askUdp(port, address);
}

async function askTcp(port: number, address: string): Promise<string> {
  const socket = connect({ port, host: address });
  socket.write("hello\n");
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

/** A datagram that comes before its server listens is lost, so the question is repeated until there is an answer. */
async function askUdp(port: number, address: string): Promise<string> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => undefined);
  const ask = () => socket.send("hello\n", port, address);
  ask();
  const again = setInterval(ask, 50);
  try {
    const [message] = await once(socket, "message", { signal: AbortSignal.timeout(10_000) });
    return String(message);
  } finally {
    clearInterval(again);
    socket.close();
  }
}
