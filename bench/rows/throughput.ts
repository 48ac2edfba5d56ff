import { TestMachine } from "../../test/harness/index.ts";
import { type Peer, RowError } from "../peer.ts";
import type { Row } from "../row.ts";
import { prepare, runInside } from "../run.ts";
import { TOOLS } from "./tools.ts";

/** What one round sends; with so many rounds a bound of a few per cent is told from the machine's noise. */
const BYTES = "2G";
const ROUNDS = 15;
const PEER_ADDRESS = "10.0.0.2";

/**
 * Bytes a TCP connection of iperf3 carries, to a container and between two. What containers are held against is a pair between
 * two empty namespaces, the host one that leads out of the same place: its packets meet the host's rules as well.
 */
export function throughputRows(gantry: Peer): readonly Row[] {
  return [
    {
      name: "2 GB from container to container",
      unit: "ms",
      rounds: ROUNDS,
      prepare: startServer,
      sample: async (peer) =>
        sentMs(await serverAddress(peer), async (command) => {
          const { stdout } = await prepare(peer, "exec", "bench-client", "chroot", "/host", ...command);
          return stdout;
        }),
      finish: removeServer,
      reference: betweenMachines(),
    },
    {
      name: "2 GB from host to container",
      unit: "ms",
      rounds: ROUNDS,
      prepare: startServer,
      sample: async (peer) => sentMs(await serverAddress(peer), (command) => runInside(peer, ...command)),
      finish: removeServer,
      reference: outOf(gantry),
    },
  ];
}

async function startServer(peer: Peer): Promise<void> {
  const server = ["busybox", "chroot", "/host", "iperf3", "-s"];
  await prepare(peer, "run", "-d", "--name", "bench-server", ...TOOLS, ...server);
  await prepare(peer, "run", "-d", "--name", "bench-client", ...TOOLS, "busybox", "sleep", "1000");
  const script = untilListening(await serverAddress(peer), "chroot /host");
  await prepare(peer, "exec", "bench-client", "sh", "-c", script);
}

/** A short run that is answered tells that the server listens. With `-J` iperf3 3.12 says 0 of a refused one too. */
function untilListening(address: string, prefix = ""): string {
  const short = `${prefix} iperf3 -c ${address} -n 1M`;
  return `n=0; until ${short} >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 1000 ] || exit 1; done`;
}

const serverAddress = async (peer: Peer): Promise<string> =>
  (await prepare(peer, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "bench-server")).stdout.trim();

async function removeServer(peer: Peer): Promise<void> {
  await prepare(peer, "rm", "-f", "bench-server", "bench-client");
}

/** Milliseconds until the server has the last byte, as it counts them. */
async function sentMs(address: string, run: (command: string[]) => Promise<string>): Promise<number> {
  const report = JSON.parse(await run(["iperf3", "-c", address, "-n", BYTES, "-J"])) as Report;
  if (report.error !== undefined) throw new RowError(`iperf3 to ${address}: ${report.error}`);
  return report.end.sum_received.seconds * 1000;
}

interface Report {
  readonly error?: string;
  readonly end: { readonly sum_received: { readonly seconds: number } };
}

const NAME = "a veth pair made by hand";
const AT_MOST = 1.05;

/** Two namespaces and a veth pair between them, and nothing else. */
function betweenMachines(): NonNullable<Row["reference"]> {
  const machines = new AsyncDisposableStack();
  let here: TestMachine;
  return {
    name: NAME,
    atMost: AT_MOST,
    async prepare() {
      const there = machines.use(await TestMachine.start());
      here = machines.use(await TestMachine.start());
      await here.sh(pairTo(there));
      await serveIn(there);
      await here.sh(untilListening(PEER_ADDRESS));
    },
    sample: () =>
      sentMs(PEER_ADDRESS, async ([program = "", ...args]) => {
        const { stdout } = await here.run(program, args, { limitMs: 60_000 });
        return stdout;
      }),
    finish: () => machines.disposeAsync(),
  };
}

/** A veth pair from where an engine is to a namespace with nothing else in it. */
function outOf(engine: Peer): NonNullable<Row["reference"]> {
  const machines = new AsyncDisposableStack();
  return {
    name: NAME,
    atMost: AT_MOST,
    async prepare() {
      const there = machines.use(await TestMachine.start());
      await runInside(engine, "sh", "-ec", pairTo(there));
      await serveIn(there);
      await runInside(engine, "sh", "-c", untilListening(PEER_ADDRESS));
    },
    sample: () => sentMs(PEER_ADDRESS, (command) => runInside(engine, ...command)),
    finish: () => machines.disposeAsync(),
  };
}

const pairTo = (there: TestMachine): string => `
  ip link add here0 type veth peer name there0 netns ${there.pid}
  ip addr add 10.0.0.1/24 dev here0
  ip link set here0 up`;

const serveIn = (there: TestMachine): Promise<string> =>
  there.sh(`
    ip addr add ${PEER_ADDRESS}/24 dev there0
    ip link set there0 up
    iperf3 -s >/dev/null 2>&1 </dev/null &`);
