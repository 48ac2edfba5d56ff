import { type Peer, RowError } from "../peer.ts";
import type { Row } from "../row.ts";
import { prepare, time } from "../run.ts";
import { median } from "../table.ts";
import { TOOLS } from "./tools.ts";

const MANY = 500;
const QUESTIONS = 1000;

/** Joining networks, and names. `gantry` is the engine that bounds are asked of. */
export const networkRows = (gantry: Peer): readonly Row[] => [
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
    chroot /host dig @$server +tries=1 +time=2 bench-named A | grep -q NOERROR || { echo "no answer from $server" >&2; exit 1; }
    chroot /host dig @$server -u -f /dev/stdin < /questions | grep "Query time"`;
  const { stdout } = await prepare(peer, "exec", "bench-named", "sh", "-c", script);
  const times = [...stdout.matchAll(/Query time: (\d+) usec/g)].map(([, us]) => Number(us));
  if (times.length !== QUESTIONS)
    throw new RowError(`${peer.name}: ${times.length} answers: ${stdout.slice(0, 200)}`);
  return times;
}
