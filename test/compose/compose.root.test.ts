import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";
import { databaseImage } from "./database-image.ts";

let daemon: TestDaemon;
let project: string;
beforeAll(async () => {
  daemon = await startDaemon();
  project = join(daemon.folder, "shop");
  mkdirSync(project);
  writeFileSync(join(project, "docker-compose.yml"), PROJECT);
  const archive = join(daemon.folder, "services.tar");
  await databaseImage(archive);
  const { exitCode, stderr } = await daemon.docker("import", archive, "services");
  if (exitCode !== 0) throw new Error(stderr);
}, 120_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** A database, a cache, and a web server that counts its visits in both. */
const PROJECT = `version: "2.4"
services:
  db:
    image: services
    user: postgres
    command: ["sh", "-c", "[ -s /data/PG_VERSION ] || { initdb -D /data -A trust --no-sync -E UTF8 --locale=C && echo host all all all trust >> /data/pg_hba.conf; } && exec postgres -D /data -k /tmp -c listen_addresses=* -c fsync=off"]
    volumes: ["data:/data"]
    healthcheck: {test: ["CMD", "pg_isready", "-h", "127.0.0.1"], interval: 300ms, timeout: 5s, retries: 60}
  cache:
    image: services
    command: ["redis-server", "--protected-mode", "no", "--save", ""]
    healthcheck: {test: redis-cli ping | grep PONG, interval: 300ms, timeout: 5s, retries: 60}
  web:
    image: services
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    ports: ["127.0.0.1::80"]
    depends_on:
      db: {condition: service_healthy}
      cache: {condition: service_healthy}
volumes:
  data:
`;

async function compose(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runProgram(
    "docker-compose",
    ["-f", join(project, "docker-compose.yml"), "--no-ansi", ...args],
    { env: { DOCKER_HOST: daemon.host, COMPOSE_HTTP_TIMEOUT: "60" }, limitMs: 90_000 },
  );
  if (exitCode !== 0) throw new Error(`docker-compose ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** "VISITS IN THE DATABASE VISITS IN THE CACHE", after one more. */
async function visit(index = 1): Promise<string> {
  const format = '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}';
  const { stdout } = await daemon.docker("inspect", "-f", format, `shop_web_${index}`);
  return (await (await fetch(`http://127.0.0.1:${stdout.trim()}/cgi-bin/visit`)).text()).trim();
}

test("a project of a database, a cache and a web server comes up, keeps its data, scales and goes down", async () => {
  await compose("up", "-d");
  expect(await visit()).toBe("1 1");
  expect(await visit()).toBe("2 2");
  expect(
    (await daemon.docker("ps", "--filter", "name=shop_db_1", "--format", "{{.Status}}")).stdout,
  ).toContain("(healthy)");
  expect(await compose("logs", "--no-color", "db")).toContain(
    "database system is ready to accept connections",
  );

  await compose("up", "-d", "--scale", "web=2");
  expect(await visit(2)).toBe("3 3");
  await compose("restart", "-t", "1", "cache");
  // What the cache knew is gone; the database's is on its volume.
  expect(await visit()).toBe("4 1");

  await compose("down", "-t", "1");
  expect((await daemon.docker("ps", "-aq")).stdout).toBe("");
  expect((await daemon.docker("volume", "ls", "-q")).stdout.trim()).toBe("shop_data");
  await compose("up", "-d");
  expect(await visit()).toBe("5 1");
  await compose("down", "-t", "1", "--volumes");
  expect((await daemon.docker("volume", "ls", "-q")).stdout).toBe("");
  expect((await daemon.docker("network", "ls", "-q", "--filter", "type=custom")).stdout).toBe("");
}, 180_000);
