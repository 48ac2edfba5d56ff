import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { EngineError, messageOf } from "../../errors/index.ts";

/** Opens ports of the host for an engine that lives in a network namespace beside it. */
export interface HostForwarding {
  /** Rejects when the host's port cannot be had. One that an earlier daemon has left open is taken over. */
  open(protocol: "tcp" | "udp", hostAddress: string, port: number): Promise<Forwarded>;
  /** Take back what an earlier daemon has left open and this one has not taken over. */
  sweep(): Promise<void>;
}

/** An open port of the host; closing it takes it back. */
export interface Forwarded {
  close(): Promise<void>;
}

/** The namespace's own address, as slirp4netns(1) sets it up. */
const OWN_ADDRESS = "10.0.2.100";

/** By the API of slirp4netns (slirp4netns(1), "API socket"): one JSON request on each connection. */
export function createSlirpForwarding(socket: string): HostForwarding {
  // One after the other: the program hears one request at a time, and a port that is taken back is free for the next.
  let last: Promise<unknown> = Promise.resolve();
  const ask = (execute: string, request: Readonly<Record<string, unknown>> = {}): Promise<SlirpAnswer> => {
    const answer = last.then(() => askSlirp(socket, { execute, arguments: request }));
    last = answer.catch(() => undefined);
    return answer;
  };

  const own = new Set<number>();
  async function openPort(proto: string, host_addr: string, host_port: number): Promise<number> {
    const { entries = [] } = await ask("list_hostfwd");
    const known = entries.find(
      (entry) => entry.proto === proto && entry.host_addr === host_addr && entry.host_port === host_port,
    );
    if (known !== undefined) return known.id;
    const guest = { guest_addr: OWN_ADDRESS, guest_port: host_port };
    const answer = await ask("add_hostfwd", { proto, host_addr, host_port, ...guest });
    return answer.return?.id ?? 0;
  }

  return {
    async open(protocol, hostAddress, port) {
      const shown = hostAddress || "0.0.0.0";
      try {
        const id = await openPort(protocol, shown, port);
        own.add(id);
        return {
          async close() {
            own.delete(id);
            await ask("remove_hostfwd", { id });
          },
        };
      } catch (cause) {
        const low =
          port < 1024
            ? ", and ports below net.ipv4.ip_unprivileged_port_start are not for ordinary users"
            : "";
        throw new EngineError(
          "internal",
          `failed to bind host port ${shown}:${port}/${protocol} by slirp4netns: it is taken${low} (${messageOf(cause)})`,
          { cause },
        );
      }
    },
    async sweep() {
      const { entries = [] } = await ask("list_hostfwd");
      for (const { id } of entries) if (!own.has(id)) await ask("remove_hostfwd", { id });
    },
  };
}

interface SlirpAnswer {
  readonly return?: { readonly id?: number };
  readonly entries?: readonly { id: number; proto: string; host_addr: string; host_port: number }[];
  readonly error?: { readonly desc?: string };
}

async function askSlirp(socket: string, request: unknown): Promise<SlirpAnswer> {
  const connection = connect({ path: socket });
  await once(connection, "connect");
  connection.end(JSON.stringify(request));
  // What it is specified to answer.
  const answer = JSON.parse(await text(connection)) as SlirpAnswer;
  if (answer.error !== undefined) throw new EngineError("internal", answer.error.desc ?? "refused");
  return answer;
}

/** Nobody opens ports for this engine: pasta(1) takes the ports to forward at its start alone, and there may be no program. */
export const createNoForwarding = (): HostForwarding => ({
  async open(protocol, hostAddress, port) {
    throw new EngineError(
      "internal",
      `host port ${hostAddress || "0.0.0.0"}:${port}/${protocol} cannot be opened for this engine: that takes slirp4netns (Debian's package of that name)`,
    );
  },
  async sweep() {
    // What nobody opened is not left open.
  },
});
