import { TestMachine } from "../../test/harness/index.ts";
import { type Peer, RowError } from "../peer.ts";
import type { Row } from "../row.ts";
import { prepare, runInside, time } from "../run.ts";
import { median } from "../table.ts";

/** What one throughput round sends. */
const BYTES = "4G";
/** The machine's own programs, seen through a mount; iperf3 wants a place for its files. */
const TOOLS = ["-v", "/:/host:ro", "--tmpfs", "/host/tmp"];
const MANY = 500;
const QUESTIONS = 1000;

/** Packets between containers, joining networks, and names. `gantry` is the engine that bounds are asked of. */
export const networkRows = (gantry: Peer): readonly Row[] => [
  {
    name: "4 GB from container to container",
    unit: "ms",
    rounds: 3,
    prepare: startServer,
    sample: (peer) =>
      sentMs(async (address) => {
        const command = ["chroot", "/host", "iperf3", "-c", address, "-n", BYTES, "-J"];
        return (await prepare(peer, "exec", "bench-client", ...command)).stdout;
      }, peer),
    finish: removeServer,
    reference: { name: "a veth pair made by hand", atMost: 1.05, sample: byHand },
  },
  {
    name: "4 GB from host to container",
    unit: "ms",
    rounds: 3,
    prepare: startServer,
    sample: (peer) => sentMs((address) => runInside(peer, "iperf3", "-c", address, "-n", BYTES, "-J"), peer),
    finish: removeServer,
    reference: { name: "a veth pair made by hand", atMost: 1.05, sample: byHand },
  },
  {
    name: `connect of the ${MANY}th container`,
    unit: "ms",
    rounds: 10,
    peers: [gantry.name],
    async prepare(peer) {
      await prepare(peer, "network", "create", "--subnet", "10.66.0.0/20", "bench-few");
      await prepare(peer, "network", "create", "--subnet", "10.67.0.0/20", "bench-many");
      for (let number = 0; number < MANY - 1; number++)
        await prepare(peer, "run", "-d", ...inMany, "--name", `bench-${number}`, "busybox", "sleep", "1000");
      await prepare(peer, "run", "-d", "--name", "bench-last", "busybox", "sleep", "1000");
    },
    sample: (peer) => connectMs(peer, "bench-many"),
    async finish(peer) {
      const names = Array.from({ length: MANY - 1 }, (_, number) => `bench-${number}`);
      await prepare(peer, "rm", "-f", "bench-last", ...names);
      await prepare(peer, "network", "rm", "bench-few", "bench-many");
    },
    reference: {
      name: "the connect of the first",
      atMost: 1.5,
      sample: () => connectMs(gantry, "bench-few"),
    },
  },
  {
    name: `${QUESTIONS} DNS answers, one after the other`,
    unit: "ms",
    rounds: 3,
    prepare: startNamed,
    sample: async (peer) => (await answersUs(peer)).reduce((sum, us) => sum + us, 0) / 1000,
    finish: removeNamed,
  },
  {
    name: "a DNS answer, median",
    unit: "ms",
    rounds: 3,
    prepare: startNamed,
    sample: async (peer) => median(await answersUs(peer)) / 1000,
    finish: removeNamed,
  },
];

const inMany = ["--network", "bench-many"];

async function startServer(peer: Peer): Promise<void> {
  const server = ["busybox", "chroot", "/host", "iperf3", "-s"];
  await prepare(peer, "run", "-d", "--name", "bench-server", ...TOOLS, ...server);
  await prepare(peer, "run", "-d", "--name", "bench-client", ...TOOLS, "busybox", "sleep", "1000");
  // A short run that is answered tells that the server listens.
  const short = `chroot /host iperf3 -c ${await serverAddress(peer)} -n 1M`;
  const untilListening = `n=0; until ${short} >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 1000 ] || exit 1; done`;
  await prepare(peer, "exec", "bench-client", "sh", "-c", untilListening);
}

const serverAddress = async (peer: Peer): Promise<string> =>
  (await prepare(peer, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "bench-server")).stdout.trim();

async function removeServer(peer: Peer): Promise<void> {
  await prepare(peer, "rm", "-f", "bench-server", "bench-client");
}

async function sentMs(send: (address: string) => Promise<string>, peer: Peer): Promise<number> {
  return secondsOf(await send(await serverAddress(peer))) * 1000;
}

function secondsOf(report: string): number {
  const { end } = JSON.parse(report) as { end: { sum_received: { seconds: number } } };
  return end.sum_received.seconds;
}

/** Two namespaces and a veth pair between them, and nothing else. */
async function byHand(): Promise<number> {
  await using there = await TestMachine.start();
  await using here = await TestMachine.start(`
    ip link add here0 type veth peer name there0 netns ${there.pid}
    ip addr add 10.0.0.1/24 dev here0
    ip link set here0 up`);
  await there.sh("ip addr add 10.0.0.2/24 dev there0; ip link set there0 up");
  // It serves one client; those that come before it listens are refused, and do not count.
  const server = there.run("iperf3", ["-s", "-1"], { limitMs: 60_000 });
  const send = `iperf3 -c 10.0.0.2 -n ${BYTES} -J > ${here.folder}/report`;
  const report = await here.sh(
    `n=0; until ${send}; do n=$((n + 1)); [ $n -lt 1000 ] || exit 1; done; cat ${here.folder}/report`,
  );
  await server;
  return secondsOf(report) * 1000;
}

async function connectMs(peer: Peer, network: string): Promise<number> {
  const ms = await time(peer, "network", "connect", network, "bench-last");
  await prepare(peer, "network", "disconnect", network, "bench-last");
  return ms;
}

async function startNamed(peer: Peer): Promise<void> {
  await prepare(peer, "network", "create", "bench-names");
  const place = ["--network", "bench-names", "--name", "bench-named", ...TOOLS];
  await prepare(peer, "run", "-d", ...place, "busybox", "sleep", "1000");
}

async function removeNamed(peer: Peer): Promise<void> {
  await prepare(peer, "rm", "-f", "bench-named");
  await prepare(peer, "network", "rm", "bench-names");
}

/** Microseconds of each of the answers to questions that one client asks one after the other. */
async function answersUs(peer: Peer): Promise<number[]> {
  const script = `
    yes "bench-named A" | head -n ${QUESTIONS} > /questions
    server=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)
    chroot /host dig @$server -u -f /dev/stdin < /questions | grep "Query time"`;
  const { stdout } = await prepare(peer, "exec", "bench-named", "sh", "-c", script);
  const times = [...stdout.matchAll(/Query time: (\d+) usec/g)].map(([, us]) => Number(us));
  if (times.length !== QUESTIONS)
    throw new RowError(`${peer.name}: ${times.length} answers: ${stdout.slice(0, 200)}`);
  return times;
}
