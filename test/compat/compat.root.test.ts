import { afterAll, beforeAll, describe } from "bun:test";
import { describeCommands } from "./commands.ts";
import { describeCopy } from "./copy.ts";
import { describeInside } from "./inside.ts";
import { describeOwnClient } from "./own-client.ts";
import { type Pair, startPair } from "./pair.ts";
import { describePulls } from "./pulls.ts";
import { describeRoundTrips } from "./round-trips.ts";
import { describeSaveLoad } from "./save-load.ts";

let pair: Pair | undefined;
beforeAll(async () => {
  pair = await startPair();
}, 60_000);
afterAll(async () => {
  await pair?.[Symbol.asyncDispose]();
}, 60_000);

/** One pair of engines serves all: starting Docker's takes as long as many of the comparisons. */
function running(): Pair {
  if (pair === undefined) throw new Error("the engines are not running");
  return pair;
}

describe("beside Docker", () => {
  describeInside(running);
  describeCommands(running);
  describe("archives", () => {
    describeSaveLoad(running);
    describe("and registries", () => describeRoundTrips(running));
  });
  describeCopy(running);
  describePulls(running);
  describeOwnClient(running);
});
