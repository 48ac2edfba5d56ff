import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { getSystemErrorName } from "node:util";
import { internal, messageOf, unavailable } from "../../errors/index.ts";
import type { Target } from "./target.ts";

/** Opens ports of the host for an engine that lives in a network namespace beside it. */
export interface HostForwarding extends Disposable {
  /**
   * Have a port of the host carried to `target` until it is closed, by daemons to come too. `hostAddress` "" is all addresses,
   * `port` 0 any free one. One that an earlier daemon has left open is taken over. Rejects with the system's error (`code`, as
   * EADDRINUSE) when the port cannot be had.
   */
  open(protocol: "tcp" | "udp", hostAddress: string, port: number, target: Target): Promise<ForwardedPort>;
  /** Close what an earlier daemon has left open and this one has not taken over. */
  sweep(): Promise<void>;
}

/** An open port of the host. */
export interface ForwardedPort {
  readonly port: number;
  /** Connections from now on go there; undefined: they are refused. */
  retarget(target: Target): Promise<void>;
  close(): Promise<void>;
}

/** One socket of the host. */
interface Place {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  target: Target;
}

/** Ports that are free for one family and taken for the other are passed over so often. */
const MOST_ATTEMPTS = 16;

/**
 * By the process beside the namespaces' keeper, whose protocol is in `native/forward.h`. When that process is another one
 * suddenly, it gets all ports again; `lost` hears in a sentence of those that it could not have.
 */
export function createHostForwarding(socketPath: string, lost: (sentence: string) => void): HostForwarding {
  const places = new Set<Place>();
  let link: Promise<Link> | undefined;
  let over = false;

  async function connected(): Promise<Link> {
    link ??= openLink(socketPath, ended).catch((error) => {
      link = undefined;
      throw error;
    });
    return link;
  }
  const ask = async (...words: readonly (string | number)[]): Promise<number> =>
    (await connected()).ask(words.join(" "));

  function ended(): void {
    link = undefined;
    if (over || places.size === 0) return;
    openAgain().catch((error) => lost(`published ports are closed: ${messageOf(error)}`));
  }
  async function openAgain(): Promise<void> {
    for (const place of places) {
      const answer = await ask("open", ...wordsOf(place));
      if (answer < 0) lost(`port ${place.port}/${place.protocol}: ${getSystemErrorName(answer)}`);
    }
  }

  async function openPlace(place: Place): Promise<Place> {
    const answer = await ask("open", ...wordsOf(place));
    if (answer < 0) throw refusal(answer, place);
    const opened = { ...place, port: answer };
    places.add(opened);
    return opened;
  }
  async function closePlace(place: Place): Promise<void> {
    places.delete(place);
    await ask("close", place.protocol, place.address, place.port);
  }
  /** Of both families where the host has both, with the same number. */
  async function openPlaces(
    protocol: "tcp" | "udp",
    port: number,
    target: Target,
    attempts = MOST_ATTEMPTS,
  ): Promise<Place[]> {
    const four = await openPlace({ protocol, address: "0.0.0.0", port, target });
    try {
      return [four, await openPlace({ ...four, address: "::" })];
    } catch (error) {
      const code = codeOf(error);
      if (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL") return [four];
      await closePlace(four);
      if (code !== "EADDRINUSE" || port !== 0 || attempts === 1) throw error;
      return openPlaces(protocol, port, target, attempts - 1);
    }
  }

  return {
    async open(protocol, hostAddress, port, target) {
      const opened =
        hostAddress === ""
          ? await openPlaces(protocol, port, target)
          : [await openPlace({ protocol, address: hostAddress, port, target })];
      return {
        port: opened[0]?.port ?? port,
        async retarget(to) {
          for (const place of opened) {
            place.target = to;
            await ask("open", ...wordsOf(place));
          }
        },
        async close() {
          for (const place of opened) await closePlace(place);
        },
      };
    },
    async sweep() {
      await ask("end");
    },
    [Symbol.dispose]() {
      over = true;
      link?.then((open) => open.end()).catch(() => undefined);
    },
  };
}

const wordsOf = ({ protocol, address, port, target }: Place): (string | number)[] => [
  protocol,
  address,
  port,
  target?.address ?? "-",
  target?.port ?? 0,
];

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;

function refusal(answer: number, { protocol, address, port }: Place): Error {
  const code = getSystemErrorName(answer);
  const message =
    code === "EACCES"
      ? `cannot expose privileged port ${port}: an ordinary user's ports begin at net.ipv4.ip_unprivileged_port_start (1024 unless root lowers it with sysctl): choose a port from there on`
      : `failed to bind host port ${address}:${port}/${protocol}: ${code}`;
  return Object.assign(internal(message), { code });
}

interface Link {
  /** One line; gives the number that answers it. */
  ask(line: string): Promise<number>;
  end(): void;
}

async function openLink(socketPath: string, ended: () => void): Promise<Link> {
  const socket: Socket = connect({ path: socketPath });
  await once(socket, "connect");
  socket.unref();
  const waiting: PromiseWithResolvers<number>[] = [];
  let closed = false;
  createInterface({ input: socket }).on("line", (line) => waiting.shift()?.resolve(Number(line)));
  socket.on("error", () => undefined);
  socket.once("close", () => {
    closed = true;
    const gone = unavailable("the process that forwards the host's ports has ended");
    for (const { reject } of waiting.splice(0)) reject(gone);
    ended();
  });
  const ask = (line: string): Promise<number> => {
    if (closed) return Promise.reject(unavailable("the process that forwards the host's ports has ended"));
    const answer = Promise.withResolvers<number>();
    waiting.push(answer);
    socket.write(`${line}\n`);
    return answer.promise;
  };
  await ask("begin");
  return { ask, end: () => socket.end() };
}
