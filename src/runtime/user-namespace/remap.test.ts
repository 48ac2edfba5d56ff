import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSubordinateIds, remapOf } from "./index.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-subid-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Two files of subordinate ids. */
function files(subuid: string, subgid = subuid) {
  writeFileSync(join(folder, "subuid"), subuid);
  writeFileSync(join(folder, "subgid"), subgid);
  return { subuid: join(folder, "subuid"), subgid: join(folder, "subgid") };
}

test("lines of subordinate ids are OWNER:FIRST:COUNT; others are passed over", () => {
  const text = "a:100000:65536\n\n# b:1:2\nb:1\nc:x:1\n1000:200000:10\nd:4294967295:1\ne:5:0\n:1:2\n";
  expect(parseSubordinateIds(text)).toEqual([
    { owner: "a", first: 100_000, size: 65_536 },
    { owner: "1000", first: 200_000, size: 10 },
  ]);
});

describe("--userns-remap", () => {
  const one = "nobody:100000:1000\nnogroup:300000:10\n";

  test("maps from 0 on through all ranges of the user, lowest first", () => {
    const maps = remapOf("nobody:nogroup", files(`nobody:500000:5\n${one}`));
    expect(maps?.uids).toEqual([
      { containerId: 0, hostId: 100_000, size: 1000 },
      { containerId: 1000, hostId: 500_000, size: 5 },
    ]);
    expect(maps?.gids).toEqual([{ containerId: 0, hostId: 300_000, size: 10 }]);
  });

  test("takes numbers of who exists, and the user's own group by default", () => {
    expect(remapOf("65534:65534", files(one))).toEqual(remapOf("nobody:nogroup", files(one)));
    expect(remapOf("daemon", files("daemon:1:2\n", "daemon:3:4\n"))?.gids).toEqual([
      { containerId: 0, hostId: 3, size: 4 },
    ]);
  });

  test("of root maps nothing", () => {
    expect(remapOf("root", files(""))).toBeUndefined();
    expect(remapOf("0", files(""))).toBeUndefined();
  });

  test("says who is missing, and whose ranges", () => {
    expect(() => remapOf("no-such-user", files(one))).toThrow('user "no-such-user" does not exist');
    expect(() => remapOf("nobody:no-such-group", files(one))).toThrow('group "no-such-group" does not exist');
    expect(() => remapOf("4000000001", files(one))).toThrow('user "4000000001" does not exist');
    expect(() => remapOf("daemon", files(one))).toThrow(
      `no subuid ranges found for user "daemon" in ${folder}/subuid`,
    );
    expect(() => remapOf("nobody:daemon", files(one))).toThrow(
      `no subgid ranges found for group "daemon" in ${folder}/subgid`,
    );
    for (const words of ["", ":", "a:", "a:b:c"])
      expect(() => remapOf(words, files(one))).toThrow("must be default, USER, USER:GROUP, UID or UID:GID");
  });
});
