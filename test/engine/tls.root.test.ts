import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY, runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-tls-"));
const path = (name: string) => join(folder, name);
let daemon: TestDaemon;
let port: number;

/** Certificates of an authority of the test's own: of the daemon, and of a client as Docker's client looks for it. */
function makeCertificates(): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
  openssl("req", "-x509", ...key, "ca.key", "-out", "ca.pem", "-subj", "/CN=authority");
  writeFileSync(path("names"), "subjectAltName=IP:127.0.0.1");
  for (const name of ["server", "client"]) {
    openssl("req", ...key, `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
    openssl("x509", "-req", "-in", `${name}.csr`, ...signed, "-out", `${name}.pem`);
  }
  mkdirSync(path("certificates"));
  for (const [from, to] of [
    ["ca.pem", "ca.pem"],
    ["client.pem", "cert.pem"],
    ["client.key", "key.pem"],
  ] as const)
    copyFileSync(path(from), join(path("certificates"), to));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return free;
}

beforeAll(async () => {
  makeCertificates();
  port = await freePort();
  const files = [
    "--tlscacert",
    path("ca.pem"),
    "--tlscert",
    path("server.pem"),
    "--tlskey",
    path("server.key"),
  ];
  daemon = await startDaemon(["-H", `tcp://127.0.0.1:${port}`, "--tlsverify", ...files]);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const NOWHERE = { DOCKER_HOST: "", GANTRY_HOST: "", DOCKER_CONTEXT: "" };
const trusted = () => ({
  ...NOWHERE,
  DOCKER_HOST: `tcp://127.0.0.1:${port}`,
  DOCKER_TLS_VERIFY: "1",
  DOCKER_CERT_PATH: path("certificates"),
});
const clients: readonly (readonly string[])[] = [["docker"], GANTRY];
const run = ([program = "", ...own]: readonly string[], env: Record<string, string>, ...args: string[]) =>
  runProgram(program, [...own, ...args], { env, input: "through\n", limitMs: 30_000 });

test("a client with a certificate is let in, and its connections are taken over as ever", async () => {
  for (const client of clients) {
    const cat = await run(client, trusted(), "run", "-i", "--rm", "busybox", "cat");
    expect([client, cat.stdout, cat.exitCode]).toEqual([client, "through\n", 0]);
    const many = await run(client, trusted(), "run", "--rm", "busybox", "head", "-c", "2000000", "/dev/zero");
    expect(many.stdout.length).toBe(2_000_000);
  }
  const traced = await run(GANTRY, trusted(), "-D", "ps", "-q");
  expect(traced.stderr).toContain(`level=debug msg="GET tcp://127.0.0.1:${port}/v1.51/containers/json: 200"`);
}, 60_000);

test("nobody else is, and a client tells a daemon that it does not trust", async () => {
  const host = ["-H", `tcp://127.0.0.1:${port}`];
  for (const flags of [[], ["--tls"], ["--tlsverify", "--tlscacert", path("ca.pem")]])
    for (const client of clients)
      expect((await run(client, { ...NOWHERE, HOME: folder }, ...flags, ...host, "ps")).exitCode).not.toBe(0);
  const { stderr } = await run(
    GANTRY,
    NOWHERE,
    ...["--tlsverify", "--tlscacert", path("client.pem"), ...host, "ps"],
  );
  expect(stderr).toContain("certificate");
}, 60_000);

test("a context of Docker's client names the daemon, by flag, by environment, or as the current one", async () => {
  const env = { ...NOWHERE, DOCKER_CONFIG: path("config") };
  const [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(path);
  const made = await run(
    ["docker"],
    env,
    ...[
      "context",
      "create",
      "box",
      "--docker",
      `host=tcp://127.0.0.1:${port},ca=${ca},cert=${cert},key=${key}`,
    ],
  );
  expect(made.exitCode).toBe(0);
  expect((await run(GANTRY, env, "--context", "box", "version")).exitCode).toBe(0);
  expect((await run(GANTRY, { ...env, DOCKER_CONTEXT: "box" }, "version")).exitCode).toBe(0);
  expect((await run(GANTRY, env, "context", "use", "box")).stdout).toBe("box\n");
  expect((await run(GANTRY, env, "context", "show")).stdout).toBe("box\n");
  // To docker 20.10 variables without a word name the default one.
  const docker = ["env", "-u", "DOCKER_HOST", "-u", "DOCKER_CONTEXT", "docker"];
  for (const client of [docker, GANTRY]) expect((await run(client, env, "version")).exitCode).toBe(0);
  expect((await run(GANTRY, env, "context", "ls", "-q")).stdout).toBe("default\nbox\n");
  const missing = await run(GANTRY, env, "-c", "none", "ps");
  expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining("context not found")]);
  const both = await run(GANTRY, env, "-c", "box", "-H", "unix:///x", "ps");
  expect([both.exitCode, both.stderr]).toEqual([125, expect.stringContaining("both --host and --context")]);
}, 60_000);
