import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";

/** The machine's own sources, from which it was installed itself. */
const SOURCES = ["/etc/apt/sources.list", ...globSync("/etc/apt/sources.list.d/*.{list,sources}")].filter(
  existsSync,
);
const MINUTE = 60_000;

/** It needs a mirror and takes minutes, so it is run by whoever asks for it. */
const isWanted = process.env.GANTRY_TEST_NETWORK === "yes";

let daemon: TestDaemon;

describe.skipIf(!isWanted)("a Debian root file system (with GANTRY_TEST_NETWORK=yes)", () => {
  beforeAll(async () => {
    daemon = await startDaemon();
    const archive = join(daemon.folder, "debian.tar");
    const made = await runProgram(
      "mmdebstrap",
      ["--quiet", "--variant=apt", "--include=ca-certificates", "bookworm", archive, ...SOURCES],
      { limitMs: 5 * MINUTE },
    );
    if (made.exitCode !== 0) throw new Error(made.stderr);
    const imported = await daemon.docker({ limitMs: MINUTE }, "import", archive, "debian");
    if (imported.exitCode !== 0) throw new Error(imported.stderr);
  }, 6 * MINUTE);
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  }, MINUTE);

  test("its programs run", async () => {
    const { stdout, exitCode } = await daemon.docker(
      "run",
      "--rm",
      "debian",
      "sh",
      "-c",
      "cat /etc/debian_version; dpkg -s apt",
    );
    expect(stdout).toStartWith("12.");
    expect(stdout).toContain("Status: install ok installed");
    expect(exitCode).toBe(0);
  });

  test(
    "apt-get update reaches the mirror through the bridge",
    async () => {
      const configuration = ["-v", "/etc/apt/apt.conf.d:/etc/apt/apt.conf.d:ro"];
      const { stdout, stderr, exitCode } = await daemon.docker(
        { limitMs: MINUTE },
        ...["run", "--rm", ...configuration, "debian", "apt-get", "update"],
      );
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(stdout).toContain("Reading package lists...");
    },
    MINUTE,
  );
});
