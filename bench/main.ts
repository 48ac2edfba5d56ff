import { mkdtempSync, statSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { mountDisk } from "./disk.ts";
import { KEPT, makeMaterial } from "./material.ts";
import { type Peer, RowError } from "./peer.ts";
import { startDocker, startGantry, startPodman } from "./peers.ts";
import { waitForQuiet } from "./quiet.ts";
import { startRegistries } from "./registries.ts";
import type { Row } from "./row.ts";
import { buildRows } from "./rows/build.ts";
import { containerRows } from "./rows/containers.ts";
import { imageRows } from "./rows/images.ts";
import { logRows } from "./rows/logs.ts";
import { networkRows } from "./rows/network.ts";
import { registryRows } from "./rows/registry.ts";
import { throughputRows } from "./rows/throughput.ts";
import { prepare } from "./run.ts";
import { formatReferences, formatTable, median, type Result } from "./table.ts";

/**
 * The same work on Gantry, docker and podman, in turns, so that whatever else the machine does falls on all of them.
 * Arguments choose rows by a part of their name.
 */
const wanted = process.argv.slice(2);
await using stack = new AsyncDisposableStack();
const disk = stack.use(await mountDisk(KEPT));
// Where all engines and the harness make their folders.
process.env.TMPDIR = disk.folder;
const folder = mkdtempSync(join(disk.folder, "gantry-bench-"));
const gantry = stack.use(await startGantry());
const docker = stack.use(await startDocker());
const podman = stack.use(await startPodman());
const peers: readonly Peer[] = [gantry, docker, podman];

const busybox = join(folder, "busybox.tar");
await prepare(gantry, "run", "--rm", "busybox", "true");
await prepare(gantry, "save", "-o", busybox, "busybox");
for (const peer of [docker, podman]) await prepare(peer, "load", "-i", busybox);

const registries = stack.use(await startRegistries(folder, peers));
const emptyRegistry = stack.use(await startRegistries(folder, peers));
const material = await makeMaterial(folder, docker, registries.address, emptyRegistry);
const all = [
  ...containerRows,
  ...logRows,
  ...imageRows(material),
  ...registryRows(material),
  ...buildRows(material),
  ...networkRows(gantry),
  ...throughputRows(gantry),
];
const rows = all.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
const results: Result[] = [];
for (const row of rows) results.push(await measure(row));
console.log(
  `\n${cpus().length} × ${cpus()[0]?.model ?? "?"}, Linux ${release()}, ${new Date().toISOString().slice(0, 10)}`,
);
console.log(
  `The Debian root file system is a tar of ${Math.round(statSync(material.rootfs).size / 1e6)} MB.\n`,
);
console.log(
  `The load of the machine was ${loadavg()
    .map((load) => load.toFixed(1))
    .join(", ")} at the end.\n`,
);
console.log(
  formatTable(
    results,
    peers.map(({ name }) => name),
  ),
);
for (const line of formatReferences(results)) console.log(`\n${line}`);

/** Rounds of one row over all engines in turn; an engine that fails is left out of the rest of the row. */
async function measure(row: Row): Promise<Result> {
  const samples = new Map<Peer, number[]>();
  const failed = new Map<Peer, string>();
  const references: number[] = [];
  const attempt = async (peer: Peer, step: () => Promise<void>) => {
    if (failed.has(peer)) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      failed.set(peer, error.message);
      console.error(`${row.name}: ${error.message}`);
    }
  };
  const taking = peers.filter(({ name }) => row.peers?.includes(name) ?? true);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => row.reference?.finish?.());
  await row.reference?.prepare?.();
  for (const peer of taking) await attempt(peer, async () => row.prepare?.(peer));
  for (let round = 0; round < row.rounds; round++) {
    if (row.reference !== undefined) {
      await waitForQuiet();
      references.push(await row.reference.sample());
    }
    for (const peer of taking) {
      await attempt(peer, async () => {
        await waitForQuiet();
        samples.set(peer, [...(samples.get(peer) ?? []), await row.sample(peer)]);
      });
    }
  }
  for (const peer of taking) {
    const finish = async () => row.finish?.(peer);
    if (!failed.has(peer)) await attempt(peer, finish);
    else
      await finish().catch((error) => {
        // What was not prepared cannot be undone; the row's failure is told already.
        if (!(error instanceof RowError)) throw error;
      });
  }
  const values = new Map(
    taking.map((peer) => [peer.name, failed.get(peer) ?? median(samples.get(peer) ?? [])] as const),
  );
  const sizes = taking.map(({ name }) => `${name} ${formatShort(values.get(name))}`).join(", ");
  console.error(`${row.name}: ${sizes} ${row.unit}`);
  const { reference } = row;
  return {
    row: row.name,
    target: row.target,
    unit: row.unit,
    values,
    ...(reference === undefined ? {} : { reference: { ...reference, value: median(references) } }),
  };
}

function formatShort(value: number | string | undefined): string {
  return typeof value === "number" ? value.toFixed(value < 10 ? 2 : 0) : "failed";
}
