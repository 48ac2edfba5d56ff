import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon } from "../harness/index.ts";
import { type Built, dockerBuilder, gantryBuilder } from "./differential/builders.ts";
import { basePaths, type Case, casePaths, readCases } from "./differential/cases.ts";
import { makeArchive, makeContext } from "./differential/context.ts";
import { DIFFERENCES } from "./differential/differences.ts";
import { differencesOf, type FactOptions, type Facts, factsOf } from "./differential/facts.ts";
import { buildByPeers, buildOwn, isClassic, merged } from "./differential/peers.ts";
import { readRecorded } from "./differential/recorded.ts";
import { serveRemoteFiles } from "./differential/remote-files.ts";

/**
 * The same Dockerfiles built by others and by Gantry: Debian's dockerd for the classic language, its buildah for what came
 * later. Trees, configs and histories are compared; where they differ and may, `differences.ts` says why.
 *
 * What the others make of the cases is recorded (`differential/record.ts`), since they take minutes for all. With
 * GANTRY_TEST_PEERS=all they build every case again and must come to what is recorded, else a few, so that the record is
 * never only believed.
 */
const wantsAll = process.env.GANTRY_TEST_PEERS === "all";
const FEW = new Set(["copy-over", "env-forms", "copy-chmod"]);
const since = Math.floor(Date.now() / 1000) - 1;
const cases = readCases({});
const live = cases.filter(({ name }) => wantsAll || FEW.has(name));
const recorded = readRecorded();
const owned = new AsyncDisposableStack();
let ours: Built;
let theirs: Built;
let options: FactOptions;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-differential-"));
  owned.defer(() => rmSync(folder, { recursive: true }));
  const archive = await makeArchive();
  const context = owned.use(makeContext([...basePaths, ...casePaths], archive));
  const remote = owned.use(await serveRemoteFiles(archive));
  const values = { ...remote.values, context: context.path };
  const all = readCases(values);
  const gantry = owned.use(await startDaemon());
  const own = async () => {
    const later = all.filter((one) => !isClassic(one));
    return merged(
      await buildOwn(dockerBuilder(gantry), all.filter(isClassic), context.path, join(folder, "classic")),
      await buildOwn(gantryBuilder(gantry), later, context.path, join(folder, "later")),
    );
  };
  const names = new Set(live.map(({ name }) => name));
  const others = all.filter(({ name }) => names.has(name));
  [ours, theirs] = await Promise.all([own(), buildByPeers(others, context.path, folder)]);
  const base = ours.images.get("busybox");
  if (base === undefined) throw new Error("there is no image to begin with");
  options = { base, since, values };
}, 900_000);
afterAll(() => owned.disposeAsync(), 60_000);

/** Facts of an image, or what its builder said instead of making it. */
function factsFrom({ images, said }: Built, one: Case): Facts {
  const image = images.get(one.name);
  const run = said.get(one.name);
  return image === undefined
    ? { failed: `${run?.stdout}${run?.stderr}` }
    : factsOf(image, isClassic(one), options);
}

const used = new Set<(typeof DIFFERENCES)[number]>();

function isExplained(one: Case, line: string): boolean {
  const name = `${one.language}/${one.name}`;
  const rules = DIFFERENCES.filter(({ cases, pattern }) => cases?.test(name) !== false && pattern.test(line));
  for (const rule of rules) used.add(rule);
  return rules.length > 0;
}

describe("built by others and by Gantry alike", () => {
  test.each(cases.map((one) => [`${one.language}/${one.name}`, one] as const))("%s", (_name, one) => {
    const lines = differencesOf(recorded[one.name] ?? {}, factsFrom(ours, one));
    expect(lines.filter((line) => !isExplained(one, line))).toEqual([]);
  });

  test("no difference is expected that is none any more", () => {
    expect(DIFFERENCES.filter((rule) => !used.has(rule))).toEqual([]);
  });
});

describe("the others make what is recorded of them", () => {
  test.each(live.map((one) => [`${one.language}/${one.name}`, one] as const))("%s", (_name, one) => {
    expect(factsFrom(theirs, one)).toEqual(recorded[one.name] ?? {});
  });
});
