import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { TestRegistry } from "./testing.ts";

let folder: string;
const pem = (name: string) => readFileSync(join(folder, name), "utf8");
const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-tls-"));
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  for (const name of ["ca", "stranger"]) {
    openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`);
  }
  for (const name of ["server", "client"]) {
    const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    openssl(
      "req",
      "-x509",
      ...key,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.pem`,
      ...names,
    );
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One request over TLS; the status, or why there is none. */
async function status(registry: TestRegistry, options: object): Promise<number | string> {
  const socket = connect({ port: registry.port, host: "127.0.0.1", ...options });
  socket.write("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  try {
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text === "" ? "closed" : Number(text.split(" ")[1]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    socket.destroy();
  }
}

test("HTTPS with a certificate; plain HTTP on its port is refused", async () => {
  const tls = { certificate: pem("server.pem"), key: pem("server.key") };
  await using registry = await TestRegistry.start({ tls });
  expect(registry.url).toStartWith("https://");
  expect(await status(registry, { ca: pem("ca.pem") })).toBe(200);
  expect(await status(registry, { ca: pem("stranger.pem") })).toBeString();
  expect(
    await status(registry, { ca: pem("ca.pem"), minVersion: "TLSv1", maxVersion: "TLSv1.1" }),
  ).toBeString();
  expect(await registry.raw(["GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"])).not.toContain("200 OK");
});

test("with an authority for clients, only they are served", async () => {
  const tls = { certificate: pem("server.pem"), key: pem("server.key"), clientCa: pem("ca.pem") };
  await using registry = await TestRegistry.start({ tls });
  const trust = { ca: pem("ca.pem") };
  expect(await status(registry, { ...trust, cert: pem("client.pem"), key: pem("client.key") })).toBe(200);
  expect(await status(registry, trust)).toBeString();
  expect(
    await status(registry, { ...trust, cert: pem("stranger.pem"), key: pem("stranger.key") }),
  ).toBeString();
});
