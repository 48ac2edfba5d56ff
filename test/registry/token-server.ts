import { createPrivateKey, sign } from "node:crypto";
import { readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A token server as docker/distribution defines it (docs/spec/auth/token.md), run as a program: its argument is the
 * file of a P-256 key. alice (password "secret") gets what she asks for, everybody else pull on public/… alone. Writes
 * its URL to descriptor 3.
 */
const key = createPrivateKey(readFileSync(process.argv[2] ?? ""));
const ALICE = `Basic ${Buffer.from("alice:secret").toString("base64")}`;

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? "/", "http://x");
  const { authorization } = request.headers;
  if (authorization !== undefined && authorization !== ALICE) {
    response.writeHead(401).end();
    return;
  }
  const isAlice = authorization === ALICE;
  const scopes = searchParams.getAll("scope").flatMap((scope) => scope.split(" "));
  const access = scopes.flatMap((scope) => {
    const [, type, name = "", actions = ""] = /^(\w+):(.+):([^:]*)$/.exec(scope) ?? [];
    const wanted = actions.split(",");
    const granted = isAlice
      ? wanted
      : wanted.filter((action) => action === "pull" && name.startsWith("public/"));
    return granted.length === 0 ? [] : [{ type, name, actions: granted }];
  });
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: "tests",
    aud: "gantry",
    sub: isAlice ? "alice" : "",
    iat: now,
    nbf: now,
    exp: now + 60,
    access,
  };
  const signed = `${part({ typ: "JWT", alg: "ES256" })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ token: `${signed}.${signature.toString("base64url")}`, expires_in: 60 }));
});
server.listen(0, "127.0.0.1", () => {
  writeSync(3, `http://127.0.0.1:${(server.address() as AddressInfo).port}/token\n`);
});
