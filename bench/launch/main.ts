import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { decodePlan } from "../../src/runtime/plan/index.ts";
import { runProgram, startDaemon, type TestDaemon } from "../../test/harness/index.ts";
import { median } from "../table.ts";
import { limitSource } from "./limit-source.ts";

/**
 * What a launch costs by the shim alone, from its spawn with a plan to the word of the container's end, beside the
 * least that the kernel takes for the same system calls. The plan is the engine's own for a container on a bridge.
 */
const ROUNDS = Number(process.argv[2] ?? 200);
const WARM_UP = 10;
const HEADER_BYTES = 32;
const FLAGS_AT = 24;
const CHECKSUM_AT = 20;

const folder = mkdtempSync(join(tmpdir(), "gantry-bench-"));
await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
const daemon = stack.use(await startDaemon());
const gate = join(folder, "gate");
mkdirSync(gate);
const plan = await planOfContainer(daemon, gate);
writeFileSync(join(gate, "open"), "");
for (const name of ["plans", "state", "place"]) mkdirSync(join(folder, name));
for (let round = 0; round < ROUNDS + WARM_UP; round++)
  writeFileSync(join(folder, "plans", String(round)), planOfRound(plan, round));
writeFileSync(join(folder, "operations.inc"), limitSource(decodePlan(plan)));
for (const name of ["driver", "limit"]) await compile(name);

const shim = join(import.meta.dirname, "../../native/build/gantry-shim");
const before = loadavg()[0] ?? 0;
const { stdout, stderr, exitCode } = await runProgram(
  join(folder, "driver"),
  [
    String(ROUNDS + WARM_UP),
    join(folder, "plans"),
    shim,
    join(folder, "state"),
    join(folder, "limit"),
    join(folder, "place"),
  ],
  { limitMs: 120_000 },
);
if (exitCode !== 0) throw new Error(stderr);
const samples = stdout
  .trimEnd()
  .split("\n")
  .slice(WARM_UP)
  .map((line) => line.split(" ").map(Number));
const column = (at: number): number => median(samples.map((sample) => sample[at] ?? 0)) / 1000;
const [told, gone, leastTold, leastGone] = [0, 1, 2, 3].map(column);
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Linux ${release()}, load ${before.toFixed(2)}, ${samples.length} rounds in turns, medians\n`,
);
console.log("| launch of a container on a bridge | shim | limit of C | ratio |");
console.log("| --------------------------------- | ---- | ---------- | ----- |");
console.log(tableLine("spawn to the word of its end", told, leastTold));
console.log(tableLine("spawn to the parent's own end", gone, leastGone));

function tableLine(what: string, ours = 0, least = 0): string {
  return `| ${what.padEnd(33)} | ${ours.toFixed(2)} ms | ${least.toFixed(2)} ms | ${(ours / least).toFixed(2)} |`;
}

/** As it was given to the shim of a container that waits; with the gate open the same program ends at once. */
async function planOfContainer(daemon: TestDaemon, waits: string): Promise<Buffer> {
  const script = "test -e /gate/open || exec sleep 1000";
  await daemon.docker(
    "run",
    "-d",
    "--name",
    "model",
    "-v",
    `${waits}:/gate:ro`,
    "busybox",
    "sh",
    "-c",
    script,
  );
  const tasks = join(daemon.folder, "exec/tasks");
  const [task] = readdirSync(tasks);
  if (task === undefined) throw new Error("the container has no task");
  const bytes = readFileSync(join(tasks, task, "plan"));
  await daemon.docker("kill", "model");
  await daemon.docker("wait", "model");
  return bytes;
}

/** With a veth of its own, since the kernel removes the last round's in its own time; and run at once. */
function planOfRound(bytes: Buffer, round: number): Buffer {
  const copy = Buffer.from(bytes);
  const { name, index } = vethOf(bytes);
  for (let at = copy.indexOf(name); at >= 0; at = copy.indexOf(name, at + 1))
    copy.write(round.toString(16).padStart(7, "0"), at + "veth".length, "latin1");
  for (let at = copy.indexOf(index); at >= 0; at = copy.indexOf(index, at + 1))
    copy.writeUInt32LE(0x2000_0000 + round, at);
  copy.writeUInt32LE(0, FLAGS_AT);
  copy.writeUInt32LE(crc32(copy.subarray(HEADER_BYTES)), CHECKSUM_AT);
  return copy;
}

/** The name and index (four bytes) of the host's end. */
function vethOf(bytes: Buffer): { name: string; index: Buffer } {
  const made = decodePlan(bytes).operations.find(({ op }) => op === "netlink");
  if (made?.op !== "netlink") throw new Error("the plan makes no links");
  const [name] = /veth[0-9a-f]{7}/.exec(made.fields.messages.toString("latin1")) ?? [];
  if (name === undefined) throw new Error("the plan makes no veth");
  const HEAD_BYTES = 16;
  return { name, index: made.fields.messages.subarray(HEAD_BYTES + 4, HEAD_BYTES + 8) };
}

async function compile(name: string): Promise<void> {
  const source = join(import.meta.dirname, `${name}.c`);
  const words = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O2",
    "-static",
    "-I",
    folder,
    "-o",
    join(folder, name),
    source,
  ];
  const compiled = await runProgram("gcc", words, { limitMs: 60_000 });
  if (compiled.exitCode !== 0) throw new Error(compiled.stderr);
}
