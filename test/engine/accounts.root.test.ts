import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { FaultyRegistry, USER } from "../registry/faulty-registry.ts";

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  daemon = await startDaemon();
  folder = mkdtempSync(join(tmpdir(), "gantry-accounts-"));
  await daemon.gantry("pull", "-q", "busybox");
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await daemon?.[Symbol.asyncDispose]();
});

const configOf = (name: string) => ({ DOCKER_CONFIG: join(folder, name) });
const readConfig = (name: string) => JSON.parse(readFileSync(join(folder, name, "config.json"), "utf8"));
const clients = ["gantry", "docker"] as const;

test.each(clients)(
  "%s logs in with a password from stdin, pushes and pulls, and logs out",
  async (client) => {
    await using registry = await FaultyRegistry.start({ auth: "basic" });
    const env = configOf(client);
    const image = `${registry.host}/app:v1`;
    await daemon[client]({ env }, "tag", "busybox", image);
    const refused = await daemon[client]({ env }, "push", image);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toContain("no basic auth credentials");
    const wrong = await daemon[client](
      { env, input: "wrong\n" },
      ...["login", "-u", USER.username, "--password-stdin", registry.host],
    );
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stderr).toContain("401 Unauthorized");
    const login = ["login", "-u", USER.username, "--password-stdin", registry.host];
    const right = await daemon[client]({ env, input: `${USER.password}\n` }, ...login);
    expect(right).toMatchObject({ exitCode: 0, stdout: "Login Succeeded\n" });
    expect(Buffer.from(readConfig(client).auths[registry.host].auth, "base64").toString()).toBe(
      `${USER.username}:${USER.password}`,
    );
    expect(statSync(join(folder, client, "config.json")).mode & 0o077).toBe(0);
    expect(await daemon[client]({ env }, "push", "-q", image)).toMatchObject({ exitCode: 0 });
    await daemon[client]({ env }, "rmi", image);
    expect(await daemon[client]({ env }, "pull", "-q", image)).toMatchObject({
      exitCode: 0,
      stdout: `${image}\n`,
    });
    await daemon[client]({ env }, "rmi", image);
    const out = await daemon[client]({ env }, "logout", registry.host);
    expect(out.stdout).toBe(`Removing login credentials for ${registry.host}\n`);
    expect(readConfig(client).auths?.[registry.host]).toBeUndefined();
  },
);

test("a token server's refresh token is kept instead of the password, and used", async () => {
  await using registry = await FaultyRegistry.start({ auth: "bearer" });
  const env = configOf("token");
  const login = ["login", "-u", USER.username, "--password-stdin", registry.host];
  expect(await daemon.gantry({ env, input: USER.password }, ...login)).toMatchObject({ exitCode: 0 });
  const entry = readConfig("token").auths[registry.host];
  expect(entry.identitytoken).toBe("refresh-me");
  expect(Buffer.from(entry.auth, "base64").toString()).toBe(`${USER.username}:`);
  const image = `${registry.host}/app:v1`;
  await daemon.gantry({ env }, "tag", "busybox", image);
  expect(await daemon.gantry({ env }, "push", image)).toMatchObject({ exitCode: 0, stderr: "" });
  expect(registry.requests.some(({ line }) => line === "POST /token")).toBe(true);
  await daemon.gantry("rmi", image);
});

test("credential programs keep and give accounts, for one registry or for all", async () => {
  await using registry = await FaultyRegistry.start({ auth: "basic" });
  const store = join(folder, "kept.json");
  const program = join(folder, "docker-credential-testing");
  writeFileSync(
    program,
    `#!/bin/sh\ncase $1 in\nstore) cat > '${store}' ;;\nget) [ -e '${store}' ] && cat '${store}' || { echo "credentials not found in native keychain"; exit 1; } ;;\nerase) rm -f '${store}' ;;\nesac\n`,
  );
  chmodSync(program, 0o755);
  for (const config of [{ credsStore: "testing" }, { credHelpers: { [registry.host]: "testing" } }]) {
    const home = mkdtempSync(join(folder, "home-"));
    writeFileSync(join(home, "config.json"), JSON.stringify({ ...config, HttpHeaders: { kept: "yes" } }));
    const env = { DOCKER_CONFIG: home, PATH: `${folder}:${process.env.PATH}` };
    const login = ["login", "-u", USER.username, "--password-stdin", registry.host];
    expect(await daemon.gantry({ env, input: USER.password }, ...login)).toMatchObject({
      exitCode: 0,
      stderr: "",
    });
    expect(JSON.parse(readFileSync(store, "utf8"))).toEqual({
      ServerURL: registry.host,
      Username: USER.username,
      Secret: USER.password,
    });
    const kept = JSON.parse(readFileSync(join(home, "config.json"), "utf8"));
    expect(kept).toEqual({ ...config, HttpHeaders: { kept: "yes" }, auths: { [registry.host]: {} } });
    const image = `${registry.host}/app:v1`;
    await daemon.gantry({ env }, "tag", "busybox", image);
    expect(await daemon.gantry({ env }, "push", image)).toMatchObject({ exitCode: 0, stderr: "" });
    await daemon.gantry({ env }, "logout", registry.host);
    expect(existsSync(store)).toBe(false);
    await daemon.gantry("rmi", image);
  }
});

test("a registry that searches is searched, by both clients; of another it is said that it cannot", async () => {
  await using registry = await FaultyRegistry.start();
  registry.fault = (request, response, path) => {
    if (path !== "/v1/search") return false;
    const query = new URL(request.url ?? "", "http://x").searchParams;
    const hit = { name: `team/${query.get("q")}`, description: "An app", star_count: 7, is_official: false };
    response.end(JSON.stringify({ num_results: 1, results: [hit] }));
    return true;
  };
  for (const client of clients) {
    const found = await daemon[client](
      "search",
      "--format",
      "{{.Name}} {{.StarCount}}",
      `${registry.host}/web`,
    );
    expect(found.stdout).toBe("team/web 7\n");
    const none = await daemon[client](
      "search",
      "-f",
      "stars=8",
      "--format",
      "{{.Name}}",
      `${registry.host}/web`,
    );
    expect(none.stdout).toBe("");
  }
  registry.fault = () => false;
  const refused = await daemon.gantry("search", `${registry.host}/web`);
  expect(refused).toMatchObject({ exitCode: 1 });
  expect(refused.stderr).toContain("cannot be searched: it has no search endpoint");
});

test("what a registry has under a name is told without a pull", async () => {
  await using registry = await FaultyRegistry.start();
  const { digest } = registry.addImage("app", "v1", []);
  const reply = await daemon.api("GET", `/distribution/${registry.host}/app:v1/json`);
  expect(JSON.parse(reply.body)).toEqual({
    Descriptor: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: expect.any(Number) },
    Platforms: [{ os: "linux", architecture: "amd64" }],
  });
});
