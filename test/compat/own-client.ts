import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Finished, GANTRY, type ProgramOptions, runProgram } from "../harness/index.ts";
import type { Pair } from "./pair.ts";

/** Gantry's own client with Docker's daemon, which speaks an older version of the API. */
export function describeOwnClient(running: () => Pair): void {
  function gantry(words: readonly string[], options: ProgramOptions = {}): Promise<Finished> {
    const [program = "", ...own] = GANTRY;
    return runProgram(program, [...own, ...words], {
      limitMs: 60_000,
      ...options,
      env: { DOCKER_HOST: running().docker.host, GANTRY_HOST: "" },
    });
  }
  const succeed = async (...words: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await gantry(words);
    expect({ words, stderr, exitCode }).toEqual({ words, stderr: expect.any(String), exitCode: 0 });
    return stdout;
  };

  describe("Gantry's client with dockerd", () => {
    test("speaks dockerd's version of the API, and says so", async () => {
      expect(await succeed("version")).toContain(" API version:       1.41 (downgraded from 1.51)\n");
    });

    test("runs, lists, executes and removes", async () => {
      const { stdout } = await gantry(["run", "--rm", "-i", "busybox", "cat"], { input: "through\n" });
      expect(stdout).toBe("through\n");
      await succeed("run", "-d", "--name", "by-gantry", "busybox", "sleep", "600");
      expect(await succeed("ps", "--format", "{{.Names}}")).toContain("by-gantry\n");
      expect((await gantry(["exec", "by-gantry", "sh", "-c", "exit 3"])).exitCode).toBe(3);
      expect(await succeed("images", "-q", "busybox")).toMatch(/^[0-9a-f]{12}\n$/);
      expect(await succeed("system", "df")).toContain("Build Cache");
      expect(
        await succeed("events", "--since", "1h", "--until", "0s", "-f", "container=by-gantry"),
      ).toContain("container start");
      await succeed("rm", "-f", "by-gantry");
    });

    test("builds by the API's own build; what only Gantry can is refused in a sentence", async () => {
      const context = join(running().folder, "context");
      const long = "a-long-name-".repeat(12);
      mkdirSync(join(context, long), { recursive: true });
      writeFileSync(join(context, "Dockerfile"), "FROM busybox\nCOPY . /all\nRUN ls /all > /list\n");
      writeFileSync(join(context, ".dockerignore"), "no*\n");
      for (const name of ["none", "some", `${long}/deep`]) writeFileSync(join(context, name), name);
      const built = await succeed("build", "-t", "by-gantry:1", context);
      expect(built).toEndWith("Successfully tagged by-gantry:1\n");
      expect(await succeed("build", "-q", context)).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      const files = await succeed("run", "--rm", "by-gantry:1", "sh", "-c", `cat /list /all/${long}/deep`);
      expect(files).toBe(`Dockerfile\n${long}\nsome\n${long}/deep`);
      const { stderr, exitCode } = await gantry(["build", "--output", "x", context]);
      expect({ stderr, exitCode }).toEqual({
        stderr: `--output needs a Gantry daemon, and ${running().docker.host} is not one\n`,
        exitCode: 1,
      });
      const failing = await gantry(["build", "-"], { input: "FROM busybox\nRUN exit 7\n" });
      expect(failing.exitCode).toBe(7);
      expect(failing.stderr).toBe("The command '/bin/sh -c exit 7' returned a non-zero code: 7\n");
      expect((await gantry(["image", "layers", "busybox"])).stderr).toContain("this is not a Gantry daemon");
      await succeed("rmi", "by-gantry:1");
    });
  });
}
