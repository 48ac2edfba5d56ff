import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";
import { MACHINE_BASES } from "./real/bases.ts";

/** Images as people build them, each then run and asked over the network. Their bases are this machine's own programs. */
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** Build `real/NAME` on a base of that name; give the address of a container's port. */
async function start(name: keyof typeof MACHINE_BASES, port: number): Promise<string> {
  const archive = join(daemon.folder, `${name}.tar`);
  await MACHINE_BASES[name](archive);
  const imported = await daemon.docker({ limitMs: 60_000 }, "import", archive, `base-${name}`);
  expect(imported.stderr).toBe("");
  const folder = join(import.meta.dirname, "real", name);
  const args = ["build", "--progress", "plain", "-t", name, "--build-arg", `BASE=base-${name}`, folder];
  const built = await daemon.gantry({ limitMs: 60_000 }, ...args);
  expect({ code: built.exitCode, said: built.exitCode === 0 ? "" : built.stderr }).toEqual({
    code: 0,
    said: "",
  });
  const run = await daemon.docker("run", "-d", "--name", name, "-p", `127.0.0.1::${port}`, name);
  expect(run.stderr).toBe("");
  return (await daemon.docker("port", name, String(port))).stdout.trim();
}

describe("an image that is built, run and used", () => {
  test("a C program, compiled in one stage and alone in the other", async () => {
    const address = await start("static-c", 8080);
    await daemon.untilLog("static-c", "listening");
    expect(await (await fetch(`http://${address}/`)).text()).toBe("from C\n");
    expect(
      Number((await daemon.docker("inspect", "-f", "{{.Size}}", "--type", "image", "static-c")).stdout),
    ).toBeLessThan(2e6);
  }, 120_000);

  test("a PostgreSQL server", async () => {
    const address = await start("postgres", 5432);
    await daemon.untilEvent({ container: "postgres", event: "health_status" }, 1);
    const [host = "", port = ""] = address.split(":");
    const query = "create table t (n int); insert into t values (20), (22); select sum(n) from t";
    const asked = await runProgram("psql", ["-h", host, "-p", port, "-U", "postgres", "-qtAc", query]);
    expect(asked).toMatchObject({ stdout: "42\n", stderr: "" });
  }, 120_000);
});
