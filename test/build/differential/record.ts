import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { basePaths, casePaths, readCases } from "./cases.ts";
import { makeArchive, makeContext } from "./context.ts";
import { factsOf } from "./facts.ts";
import { buildByPeers, isClassic } from "./peers.ts";
import { readRecorded, writeRecorded } from "./recorded.ts";
import { serveRemoteFiles } from "./remote-files.ts";

/**
 * Record what dockerd and buildah make of the cases: those named by the arguments, or all. A case that its builder refuses is
 * told and not recorded.
 */
const since = Math.floor(Date.now() / 1000) - 1;
const folder = mkdtempSync(join(tmpdir(), "gantry-differential-"));
await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(folder, { recursive: true }));
const archive = await makeArchive();
const context = stack.use(makeContext([...basePaths, ...casePaths], archive));
const remote = stack.use(await serveRemoteFiles(archive));
const values = { ...remote.values, context: context.path };
const names = process.argv.slice(2);
const cases = readCases(values).filter(({ name }) => names.length === 0 || names.includes(name));
const { images, said } = await buildByPeers(cases, context.path, folder);
const base = images.get("busybox");
if (base === undefined) throw new Error("there is no image to begin with");
const recorded = { ...(names.length === 0 ? {} : readRecorded()) };
for (const one of cases) {
  const { name } = one;
  const image = images.get(name);
  if (image !== undefined) recorded[name] = factsOf(image, isClassic(one), { base, since, values });
  else console.error(`${name}: ${said.get(name)?.stdout}${said.get(name)?.stderr}`);
}
writeRecorded(recorded);
console.error(`${Object.keys(recorded).length} cases are recorded`);
