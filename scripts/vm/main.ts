import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunTests, VM_TESTS } from "../test/stages.ts";
import { VirtualMachine } from "./machine.ts";

/**
 * `npm run test:vm`: the tests that need another kernel than this one's. Boots the virtual machine once, runs them in it and
 * prints the sum. Arguments are parts of the names of files to run alone.
 */
/** Of one test; all in there is emulated. */
const TEST_LIMIT_MS = 5 * 60_000;
const only = process.argv.slice(2);
const files = globSync(`test/vm/*${VM_TESTS}`)
  .sort()
  .filter((file) => only.length === 0 || only.some((part) => file.includes(part)));
const folder = mkdtempSync(join(tmpdir(), "gantry-test-vm-"));
const { passed, failed, skipped } = await run();
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);

async function run() {
  const started = performance.now();
  await using machine = await VirtualMachine.boot();
  console.log(`the machine is up after ${((performance.now() - started) / 1000).toFixed(0)} s`);
  process.env.GANTRY_VM = machine.socket;
  return await bunTests("tests in a virtual machine", true, files, folder, TEST_LIMIT_MS).run();
}
