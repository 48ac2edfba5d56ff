import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allStages } from "./stages.ts";
import { compareTraces, readTraces } from "./traces.ts";

/**
 * Run every stage, compare the machine before and after, and print the sum. A stage that fails does not keep the others
 * from running: one run tells all that is broken. Arguments name stages to run alone.
 */
const folder = mkdtempSync(join(tmpdir(), "gantry-test-"));
// Tests of engines of ordinary users have their places in here.
chmodSync(folder, 0o711);
// Every tool and test puts its temporary files below ours.
process.env.TMPDIR = folder;
process.env.TMUX_TMPDIR = folder;
// And so do tools with what they keep for next time.
process.env.HOME = join(folder, "home");
mkdirSync(process.env.HOME);
for (const name of ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"])
  delete process.env[name];
const only = process.argv.slice(2);
const isRoot = process.getuid?.() === 0;
const total = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];

const before = isRoot ? await readTraces() : undefined;
for (const stage of allStages(folder)) {
  if (only.length > 0 && !only.includes(stage.name)) continue;
  if (stage.needsRoot && !isRoot) {
    console.log(`\n== ${stage.name}: skipped, because it needs root (namespaces, mounts, control groups)`);
    total.skipped++;
    continue;
  }
  console.log(`\n== ${stage.name}`);
  const started = performance.now();
  const { passed, failed, skipped } = await stage.run();
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (failed > 0) failures.push(stage.name);
  console.log(`-- ${stage.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
rmSync(folder, { recursive: true, force: true });

if (before !== undefined) {
  console.log("\n== nothing is left behind");
  const differences = compareTraces(before, await readTraces());
  for (const line of differences) console.log(line);
  if (differences.length === 0) total.passed++;
  else {
    total.failed++;
    failures.push("nothing is left behind");
  }
}
if (failures.length > 0) console.log(`\nfailed: ${failures.join(", ")}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
