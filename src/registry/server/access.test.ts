import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htpasswdAccess } from "./access/htpasswd.ts";
import { readTrustedKeys } from "./access/keys.ts";
import { tokenAccess } from "./access/token.ts";
import { codeOf, SILENT, sha256, TestRegistry } from "./testing.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-access-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string | Buffer) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

describe("htpasswd", () => {
  /** As htpasswd -nbB wrote them: "secret"; 80 times "x", of which bcrypt sees 72; "pä:ss". */
  const USERS = [
    "# people",
    "alice:$2y$05$4/M4dZviYW9IOIQF4zZkzOJ6dq4unYbfzEbnmN3cXsOBP9W0GPmg.",
    "long:$2y$05$8HJp1IJjqWDtSSOdBT5y8OvE1MEFIYIbTKb3DR8Qk/KybPJG8JTr6",
    "bob:$2y$04$1QhBuOSbXaHP..wUiVcxEeEps1LBb8X5BnMs/rxYCFqY5nR012pde",
    "",
  ].join("\n");
  const basic = (name: string, password: string) =>
    `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

  test("lets in who knows the password, and tells others how to log in", async () => {
    await using registry = await TestRegistry.start({
      access: htpasswdAccess(file("users", USERS), "here", SILENT),
    });
    const status = async (authorization: string) => (await registry.get("/v2/", { authorization })).status;
    for (const [name, password] of [
      ["alice", "secret"],
      ["long", "x".repeat(80)],
      ["bob", "pä:ss"],
    ] as const) {
      expect([name, await status(basic(name, password))]).toEqual([name, 200]);
      // The second time it is remembered.
      expect(await status(basic(name, password))).toBe(200);
    }
    for (const header of [
      basic("alice", "Secret"),
      basic("alice", ""),
      basic("alice", "secret\0"),
      basic("nobody", "secret"),
      basic("", ""),
      "Basic !!!",
      "Basic",
      "Bearer x",
    ]) {
      expect([header, await status(header)]).toEqual([header, 401]);
    }
    const without = await registry.get("/v2/a/tags/list");
    expect([without.status, without.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="here"']);
    expect(await codeOf(without)).toBe("UNAUTHORIZED");
    expect((await registry.get("/health")).status).toBe(200);
  });

  test("a changed file counts at once, a broken one keeps the last good state", async () => {
    const path = file("changing", USERS);
    await using registry = await TestRegistry.start({ access: htpasswdAccess(path, "here", SILENT) });
    const status = async () =>
      (await registry.get("/v2/", { authorization: basic("alice", "secret") })).status;
    expect(await status()).toBe(200);
    writeFileSync(path, USERS.replace("alice:", "carol:"));
    expect(await status()).toBe(401);
    writeFileSync(path, USERS);
    expect(await status()).toBe(200);
    writeFileSync(path, "alice:half a li");
    expect(await status()).toBe(200);
  });

  test.each(["alice:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "alice:$apr1$x$y", "alice", ":$2y$05$"])(
    "a line %p is refused with its place",
    (line) => {
      expect(() => htpasswdAccess(file("bad", `# x\n${line}\n`), "here", SILENT)).toThrow(
        "line 2: want NAME:HASH",
      );
    },
  );
});

describe("tokens", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

  const claims = (access: unknown, more: object = {}) => ({
    iss: "issuer",
    aud: "service",
    sub: "alice",
    exp: Date.now() / 1000 + 300,
    access,
    ...more,
  });
  function token(
    payload: object,
    alg = "RS256",
    key: KeyObject = rsa.privateKey,
    header: object = {},
  ): string {
    const signed = `${part({ typ: "JWT", alg, ...header })}.${part(payload)}`;
    return `${signed}.${sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  }
  const on = (name: string, ...actions: string[]) => ({ type: "repository", name, actions });

  const start = (keys: string) =>
    TestRegistry.start({
      access: tokenAccess({
        realm: "https://auth.example/token",
        service: "service",
        issuer: "issuer",
        keys: readTrustedKeys(file("keys", keys)),
      }),
    });

  test("a request without one learns which to get", async () => {
    await using registry = await start(spki(rsa.publicKey));
    const challenge = async (method: string, path: string) =>
      (await registry.request(method, path)).headers.get("www-authenticate");
    const base = 'Bearer realm="https://auth.example/token",service="service"';
    expect(await challenge("GET", "/v2/")).toBe(base);
    expect(await challenge("GET", "/v2/a/b/tags/list")).toBe(`${base},scope="repository:a/b:pull"`);
    expect(await challenge("POST", "/v2/a/b/blobs/uploads/")).toBe(
      `${base},scope="repository:a/b:pull,push"`,
    );
    expect(await challenge("DELETE", "/v2/a/b/manifests/x")).toBe(`${base},scope="repository:a/b:delete"`);
    expect(await challenge("GET", "/v2/_catalog")).toBe(`${base},scope="registry:catalog:*"`);
    expect(await challenge("GET", "/v1/search?q=a")).toBe(`${base},scope="registry:catalog:*"`);
  });

  test("each action needs its right", async () => {
    await using registry = await start(spki(rsa.publicKey));
    const attempt = async (method: string, path: string, ...access: object[]) =>
      (
        await registry.request(method, path, {
          headers: { authorization: `Bearer ${token(claims(access))}` },
        })
      ).status;
    expect(await attempt("GET", "/v2/")).toBe(200);
    expect(await attempt("GET", "/v2/a/manifests/x", on("a", "pull"))).toBe(404);
    expect(await attempt("GET", "/v2/a/manifests/x", on("b", "pull"))).toBe(401);
    expect(await attempt("GET", "/v2/a/manifests/x", on("a", "push"))).toBe(401);
    expect(await attempt("POST", "/v2/a/blobs/uploads/", on("a", "pull"))).toBe(401);
    expect(await attempt("POST", "/v2/a/blobs/uploads/", on("a", "pull", "push"))).toBe(202);
    expect(await attempt("DELETE", "/v2/a/manifests/x", on("a", "pull", "push"))).toBe(401);
    expect(await attempt("DELETE", "/v2/a/manifests/x", on("a", "delete"))).toBe(404);
    expect(await attempt("DELETE", "/v2/a/manifests/x", on("a", "*"))).toBe(404);
    expect(await attempt("GET", "/v2/_catalog", on("a", "*"))).toBe(401);
    expect(await attempt("GET", "/v2/_catalog", { type: "registry", name: "catalog", actions: ["*"] })).toBe(
      200,
    );
  });

  test("a blob is mounted only from where the token may pull", async () => {
    await using registry = await start(spki(rsa.publicKey));
    const authorized = (...access: object[]) => ({ authorization: `Bearer ${token(claims(access))}` });
    const digest = sha256("secret layer");
    const headers = authorized(on("private", "pull", "push"));
    const pushed = await registry.request("POST", `/v2/private/blobs/uploads/?digest=${digest}`, {
      headers,
      body: "secret layer",
    });
    expect(pushed.status).toBe(201);
    const own = on("mine", "pull", "push");
    const mount = async (query: string, ...access: object[]) =>
      (
        await registry.request("POST", `/v2/mine/blobs/uploads/?mount=${digest}${query}`, {
          headers: authorized(...access),
        })
      ).status;
    expect(await mount("&from=private", own)).toBe(202);
    expect(await mount("", own)).toBe(202);
    expect(await mount("", own, on("private", "pull"))).toBe(201);
  });

  test("of RSA and P-256, from PEM and from key sets, is verified", async () => {
    const jwks = JSON.stringify({
      keys: [
        { ...rsa.publicKey.export({ format: "jwk" }), kid: "r" },
        { ...ec.publicKey.export({ format: "jwk" }), kid: "e" },
      ],
    });
    for (const keys of [spki(rsa.publicKey) + spki(ec.publicKey), jwks]) {
      await using registry = await start(keys);
      const status = async (text: string) =>
        (await registry.get("/v2/", { authorization: `Bearer ${text}` })).status;
      expect(await status(token(claims([])))).toBe(200);
      expect(await status(token(claims([]), "ES256", ec.privateKey))).toBe(200);
      expect(await status(token(claims([], { aud: ["other", "service"] })))).toBe(200);
      const named = await status(token(claims([]), "ES256", ec.privateKey, { kid: "r" }));
      expect(named).toBe(keys === jwks ? 401 : 200);
    }
  });

  test("that is forged, expired, early, or meant for another is refused", async () => {
    await using registry = await start(spki(rsa.publicKey));
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const now = Date.now() / 1000;
    const good = token(claims([]));
    const [head = "", body = "", signature = ""] = good.split(".");
    const confused = `${part({ alg: "HS256" })}.${body}`;
    const keyed = createHmac("sha256", spki(rsa.publicKey)).update(confused).digest("base64url");
    const refused: Record<string, string> = {
      "another key": token(claims([]), "RS256", other.privateKey),
      "no signature": `${head}.${body}.`,
      "algorithm none": `${part({ alg: "none" })}.${body}.`,
      "HMAC with the public key": `${confused}.${keyed}`,
      "another body": `${head}.${part(claims([on("a", "*")]))}.${signature}`,
      "a fourth part": `${good}.x`,
      expired: token(claims([], { exp: now - 120 })),
      "no expiry": token(claims([], { exp: undefined })),
      early: token(claims([], { nbf: now + 120 })),
      issuer: token(claims([], { iss: "other" })),
      audience: token(claims([], { aud: "other" })),
      "no JSON": "a.b.c",
    };
    for (const [why, text] of Object.entries(refused)) {
      const answer = await registry.get("/v2/", { authorization: `Bearer ${text}` });
      expect([why, answer.status]).toEqual([why, 401]);
      expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
    }
  });

  test.each([
    ["nothing", "", "holds no public key"],
    ["a private key", rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString(), "a private key"],
    [
      "a short key",
      spki(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey),
      "neither RSA of 2048",
    ],
    [
      "another curve",
      spki(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey),
      "nor ECDSA on P-256",
    ],
    ["broken JSON", "{", "neither PEM nor JSON"],
  ])("a key file with %s is refused", (_name, text, message) => {
    expect(() => readTrustedKeys(file("bad-keys", text))).toThrow(message);
  });
});
