import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";
import { MACHINE_BASES } from "./real/bases.ts";
import { startNpmRegistry } from "./real/npm-registry.ts";

/** Images as people build them, each then run and asked over the network. Their bases are this machine's own programs. */
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

type Name = keyof typeof MACHINE_BASES;
const folderOf = (name: Name) => join(import.meta.dirname, "real", name);

async function makeBase(name: Name): Promise<void> {
  const archive = join(daemon.folder, `${name}.tar`);
  await MACHINE_BASES[name](archive);
  const imported = await daemon.docker({ limitMs: 60_000 }, "import", archive, `base-${name}`);
  expect(imported.stderr).toBe("");
}

/** Build a folder as image NAME on the base of that name; what was said. */
async function build(name: Name, folder: string, ...options: string[]): Promise<string> {
  const args = ["build", "--progress", "plain", "-t", name, "--build-arg", `BASE=base-${name}`];
  const built = await daemon.gantry({ limitMs: 60_000 }, ...args, ...options, folder);
  expect({ code: built.exitCode, said: built.exitCode === 0 ? "" : built.stderr }).toEqual({
    code: 0,
    said: "",
  });
  return built.stderr;
}

/** The address of a port of a new container of image NAME. */
async function run(name: Name, port: number): Promise<string> {
  const started = await daemon.docker("run", "-d", "--name", name, "-p", `127.0.0.1::${port}`, name);
  expect(started.stderr).toBe("");
  return (await daemon.docker("port", name, String(port))).stdout.trim();
}

describe("an image that is built, run and used", () => {
  test("a C program, compiled in one stage and alone in the other", async () => {
    await makeBase("static-c");
    await build("static-c", folderOf("static-c"));
    const address = await run("static-c", 8080);
    await daemon.untilLog("static-c", "listening");
    expect(await (await fetch(`http://${address}/`)).text()).toBe("from C\n");
    expect(
      Number((await daemon.docker("inspect", "-f", "{{.Size}}", "--type", "image", "static-c")).stdout),
    ).toBeLessThan(2e6);
  }, 120_000);

  test("a PostgreSQL server", async () => {
    await makeBase("postgres");
    await build("postgres", folderOf("postgres"));
    const address = await run("postgres", 5432);
    await daemon.untilEvent({ container: "postgres", event: "health_status" }, 1);
    const [host = "", port = ""] = address.split(":");
    const query = "create table t (n int); insert into t values (20), (22); select sum(n) from t";
    const asked = await runProgram("psql", ["-h", host, "-p", port, "-U", "postgres", "-qtAc", query]);
    expect(asked).toMatchObject({ stdout: "42\n", stderr: "" });
  }, 120_000);

  test("a Node application, whose packages are in a cache when their registry is gone", async () => {
    await makeBase("node");
    const folder = join(daemon.folder, "node-application");
    cpSync(folderOf("node"), folder, { recursive: true });
    const options = ["--allow", "network.host"];
    {
      await using registry = await startNpmRegistry();
      writeFileSync(join(folder, "package-lock.json"), registry.lock);
      options.push("--build-arg", `NPM_CONFIG_REGISTRY=${registry.address}`);
      await build("node", folder, ...options);
      expect(registry.fetched()).toBe(1);
    }
    const manifest = join(folder, "package.json");
    writeFileSync(manifest, readFileSync(manifest, "utf8").replace("1.0.0", "2.0.0"));
    expect(await build("node", folder, ...options)).toContain("added 1 package");
    const address = await run("node", 3000);
    await daemon.untilLog("node", "listening");
    const reply = await fetch(`http://${address}/`, { headers: { "x-name": "container" } });
    expect(await reply.text()).toBe("hello, container from 2.0.0\n");
  }, 120_000);
});
