import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await daemon.docker("pull", "-q", "busybox");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** One request as it is given, body in chunks. */
function ask(method: string, path: string, chunks: readonly string[] = [], headers = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socketPath = daemon.host.replace("unix://", "");
    const outgoing = request({ socketPath, method, path, headers }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    outgoing.once("error", reject);
    for (const chunk of chunks) outgoing.write(chunk);
    outgoing.end();
  });
}

const JSON_BODY = { "content-type": "application/json" };

describe("versions", () => {
  test("ping tells the newest version, what the client may ask for, and that nothing of it is to be kept", async () => {
    for (const method of ["GET", "HEAD"]) {
      const { status, headers, body } = await ask(method, "/_ping");
      expect(status).toBe(200);
      expect(body).toBe(method === "HEAD" ? "" : "OK");
      expect(headers).toMatchObject({
        "api-version": "1.51",
        ostype: "linux",
        "docker-experimental": "false",
        "cache-control": "no-cache, no-store, must-revalidate",
        pragma: "no-cache",
        "content-type": "text/plain; charset=utf-8",
      });
      expect(headers.server).toMatch(/^Docker\/\S+ \(linux\)$/);
    }
  });

  test.each(["/v1.24", "/v1.38", "/v1.41", "/v1.51", ""])("%s is served", async (prefix) => {
    expect((await ask("GET", `${prefix}/containers/json`)).body).toBe("[]\n");
  });

  test.each([
    [
      "1.23",
      "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    ],
    ["1.52", "client version 1.52 is too new. Maximum supported API version is 1.51"],
    ["2.0", "client version 2.0 is too new. Maximum supported API version is 1.51"],
  ])("%s is refused", async (version, message) => {
    const { status, body } = await ask("GET", `/v${version}/containers/json`);
    expect(status).toBe(400);
    expect(JSON.parse(body)).toEqual({ message });
  });
});

describe("errors are JSON with a message and a status", () => {
  test.each([
    ["GET", "/nope", 404, "page not found"],
    ["GET", "/v1.41/nope", 404, "page not found"],
    ["PUT", "/containers/json", 404, "page not found"],
    ["GET", "/containers/nope/json", 404, "No such container: nope"],
    ["GET", "/containers/%E0%A4%A/json", 400, ""],
    ["POST", "/containers/nope/start", 404, "No such container: nope"],
    ["GET", "/images/nope/json", 404, "No such image: nope:latest"],
    ["GET", "/exec/nope/json", 404, "No such exec instance: nope"],
    ["GET", "/containers/json?filters=x", 400, "invalid filter"],
    ["GET", "/containers/json?filters=%5B%5D", 400, "invalid filter"],
    ["GET", '/containers/json?filters={"bogus":["x"]}', 400, "invalid filter 'bogus'"],
    ["GET", "/containers/json?limit=many", 400, 'strconv.Atoi: parsing "many": invalid syntax'],
    [
      "POST",
      "/images/busybox/tag?repo=BAD",
      400,
      "invalid reference format: repository name (library/BAD) must be lowercase",
    ],
    ["POST", "/containers/nope/wait?condition=bogus", 400, 'invalid condition: "bogus"'],
    ["GET", "/events?since=bogus", 400, ""],
    ["GET", "/events?since=5&until=1", 400, "`since` time (5) cannot be after `until` time (1)"],
    ["GET", '/containers/json?filters={"name":5}', 400, "must be a list of strings"],
    ["GET", '/containers/json?filters={"name":[5]}', 400, "must be a list of strings"],
    ["POST", "/containers/nope/attach?stream=1&detachKeys=bogus-key", 400, "Invalid detach keys (bogus-key)"],
    ["POST", "/containers/nope/start?checkpoint=x", 400, "checkpoint is only supported in experimental mode"],
    ["POST", "/commit", 400, "no container name or ID supplied"],
    ["GET", "/swarm", 503, 'This node is not a swarm manager. Use "docker swarm init"'],
    ["POST", "/services/create", 503, "This node is not a swarm manager."],
    ["GET", "/tasks/x/logs", 503, "This node is not a swarm manager."],
    ["POST", "/swarm/leave", 503, "This node is not part of a swarm"],
    ["POST", "/swarm/init", 501, "this engine takes part in no swarm"],
    ["GET", "/plugins/a/b/json", 404, 'plugin "a/b" not found'],
    ["POST", "/plugins/pull?remote=x", 501, "no managed plugins"],
    ["POST", "/session", 400, "no upgrade proto in request"],
    ["POST", "/containers/nope/checkpoints", 501, "checkpoints are not supported"],
    ["GET", "/containers/nope/attach/ws", 501, "use POST /containers/{id}/attach"],
  ])("%s %s", async (method, path, status, message) => {
    const answer = await ask(method, path.replaceAll('"', "%22"));
    expect({ status: answer.status, type: answer.headers["content-type"] }).toEqual({
      status,
      type: "application/json",
    });
    const parsed: unknown = JSON.parse(answer.body);
    expect(parsed).toEqual({ message: expect.stringContaining(message) });
  });

  test.each([
    ["{", "invalid JSON"],
    ["[]", "must be an object"],
    ["", "config cannot be empty in order to create a container"],
    ['{"Image": 5}', "Image"],
    ['{"Image": "busybox", "HostConfig": {"Memory": "much"}}', "Memory"],
    ['{"Image": "BUSYBOX"}', "invalid reference format"],
    ['{"Image": "busybox", "Env": [1]}', "Env"],
    ['{"Image": "busybox", "Env": "A=b"}', "Env"],
    ['{"Image": "busybox", "Env": ["=b"]}', "invalid environment variable: =b"],
    ['{"Image": "busybox", "HostConfig": {"Memory": 1e30}}', "Memory"],
    ['{"Image": "busybox", "NetworkingConfig": 5}', "NetworkingConfig"],
  ])("a container cannot be made of %s", async (body, message) => {
    const answer = await ask("POST", "/containers/create", [body], JSON_BODY);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toContain(message);
  });

  test("a body that is not said to be JSON is refused, as pages of a browser could send it", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", ""]) {
      const headers = type === "" ? {} : { "content-type": type };
      const { status, body } = await ask("POST", "/containers/create", ['{"Image":"busybox"}'], headers);
      expect({ status, body }).toEqual({
        status: 400,
        body: `{"message":"unsupported Content-Type header (${type}): must be 'application/json'"}\n`,
      });
    }
  });

  test("two containers of one name are a conflict", async () => {
    const create = () => ask("POST", "/containers/create?name=twice", ['{"Image":"busybox"}'], JSON_BODY);
    expect((await create()).status).toBe(201);
    const { status, body } = await create();
    expect(status).toBe(409);
    expect(JSON.parse(body).message).toMatch(
      /^Conflict. The container name "\/twice" is already in use by container/,
    );
    expect((await ask("DELETE", "/containers/twice")).status).toBe(204);
  });

  test("an archive that is none is refused, also while the client still sends it", async () => {
    const rest = Array.from({ length: 50 }, () => "no archive ".repeat(1000));
    for (const path of ["/images/load", "/images/create?fromSrc=-"]) {
      const { status, body } = await ask("POST", path, ["root:x:0:0\n", ...rest]);
      expect({ path, status }).toEqual({ path, status: 400 });
      expect(JSON.parse(body).message).toContain("invalid tar header");
    }
  });
});

describe("requests", () => {
  test("there are no plugins; networks are also listed with a slash behind; OPTIONS is answered", async () => {
    expect((await ask("GET", "/plugins")).body).toBe("[]\n");
    expect((await ask("GET", "/networks/")).body).toBe((await ask("GET", "/networks")).body);
    expect((await ask("OPTIONS", "/v1.41/containers/json")).status).toBe(200);
  });

  test("a body may come in chunks", async () => {
    const body = '{"Image":"busybox","Cmd":["true"]}';
    const { status } = await ask("POST", "/containers/create?name=chunked", [...body], JSON_BODY);
    expect(status).toBe(201);
  });

  test.each(['{"name":["chunked"]}', '{"name":{"chunked":true}}'])("filters as %s", async (filters) => {
    const { body } = await ask("GET", `/containers/json?all=1&filters=${encodeURIComponent(filters)}`);
    expect(JSON.parse(body)).toMatchObject([{ Names: ["/chunked"] }]);
  });

  test("start is 204, then 304; stop is 204, then 304; removal is 204, then 404", async () => {
    const status = async (method: string, path: string) =>
      (await ask(method, `/containers/chunked${path}`)).status;
    await ask(
      "POST",
      "/containers/create?name=steady",
      ['{"Image":"busybox","Cmd":["sleep","1000"]}'],
      JSON_BODY,
    );
    await ask("POST", "/containers/chunked/start");
    await ask("POST", "/containers/chunked/wait");
    expect(await status("POST", "/stop")).toBe(304);
    expect(await status("DELETE", "")).toBe(204);
    expect(await status("DELETE", "")).toBe(404);
    expect((await ask("POST", "/containers/steady/start")).status).toBe(204);
    expect((await ask("POST", "/containers/steady/start")).status).toBe(304);
    expect((await ask("DELETE", "/containers/steady")).status).toBe(409);
    expect((await ask("POST", "/containers/steady/stop?t=0")).status).toBe(204);
    expect((await ask("DELETE", "/containers/steady?force=1&v=1")).status).toBe(204);
  });

  test("headers of streams arrive before their first byte", async () => {
    await ask(
      "POST",
      "/containers/create?name=quiet",
      ['{"Image":"busybox","Cmd":["sleep","1000"]}'],
      JSON_BODY,
    );
    await ask("POST", "/containers/quiet/start");
    const socketPath = daemon.host.replace("unix://", "");
    for (const path of ["/events", "/containers/quiet/logs?follow=1&stdout=1"]) {
      const socket = connect(socketPath);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: d\r\n\r\n`);
      const [head] = await new Promise<[Buffer]>((resolve) =>
        socket.once("data", (chunk: Buffer) => resolve([chunk])),
      );
      expect(String(head)).toStartWith("HTTP/1.1 200 OK\r\n");
      socket.destroy();
    }
    const waiting = connect(socketPath);
    waiting.write("POST /containers/quiet/wait HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
    const chunks: string[] = [];
    const first = Promise.withResolvers<void>();
    waiting.on("data", (chunk: Buffer) => {
      chunks.push(String(chunk));
      first.resolve();
    });
    await first.promise;
    expect(chunks.join("")).not.toContain("StatusCode");
    const ended = new Promise((resolve) => waiting.once("data", resolve));
    await ask("DELETE", "/containers/quiet?force=1");
    await ended;
    expect(chunks.join("")).toContain('{"StatusCode":137}');
    waiting.destroy();
  });
});

describe("hijacked streams", () => {
  /** Everything of a connection after the request, which may be followed by more bytes. */
  async function raw(head: string, input = ""): Promise<string> {
    const socket = connect({ path: daemon.host.replace("unix://", ""), allowHalfOpen: true });
    socket.end(`${head}\r\n\r\n${input}`);
    return text(socket);
  }

  const attach =
    "POST /VERSION/containers/cat/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0";
  const start = async () => {
    const body = { Image: "busybox", Cmd: ["cat"], OpenStdin: true, StdinOnce: true };
    await ask("POST", "/containers/create?name=cat", [JSON.stringify(body)], JSON_BODY);
    await ask("POST", "/containers/cat/start");
  };
  const FRAME = "\x01\0\0\0\0\0\0\x03hi\n";

  test.each([
    ["v1.51", "application/vnd.docker.multiplexed-stream"],
    ["v1.42", "application/vnd.docker.multiplexed-stream"],
    ["v1.41", "application/vnd.docker.raw-stream"],
  ])("with Upgrade, as %s: 101, input until the half close, output to the end", async (version, type) => {
    await start();
    const head = `${attach.replace("VERSION", version)}\r\nConnection: Upgrade\r\nUpgrade: tcp`;
    const answer = await raw(head, "hi\n");
    const lines = ["HTTP/1.1 101 UPGRADED", `Content-Type: ${type}`, "Connection: Upgrade", "Upgrade: tcp"];
    expect(answer).toBe(`${lines.join("\r\n")}\r\n\r\n${FRAME}`);
    await ask("DELETE", "/containers/cat?force=1");
  });

  test("input right behind the body of an exec's start", async () => {
    await start();
    const body = { Cmd: ["cat"], AttachStdin: true, AttachStdout: true };
    const { Id } = JSON.parse(
      (await ask("POST", "/containers/cat/exec", [JSON.stringify(body)], JSON_BODY)).body,
    );
    const head = `POST /exec/${Id}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp`;
    expect(await raw(head, "{}hi\n")).toEndWith(`\r\n\r\n${FRAME}`);
    expect(JSON.parse((await ask("GET", `/exec/${Id}/json`)).body)).toMatchObject({
      Running: false,
      ExitCode: 0,
    });
    await ask("DELETE", "/containers/cat?force=1");
  });

  /** As above, with the input sent once the head of the answer is there, as a client without Upgrade has to. */
  async function rawInTurn(head: string, input: string): Promise<string> {
    const socket = connect({ path: daemon.host.replace("unix://", ""), allowHalfOpen: true });
    socket.write(head);
    const [answer] = await once(socket, "data");
    socket.end(input);
    return `${answer}${await text(socket)}`;
  }

  test("without Upgrade: 200, input until the half close, output to the end", async () => {
    const OK = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\n";
    await start();
    expect(await rawInTurn(`${attach.replace("VERSION", "v1.51")}\r\n\r\n`, "hi\n")).toBe(`${OK}${FRAME}`);
    await ask("POST", "/containers/cat/start");
    const body = { Cmd: ["cat"], AttachStdin: true, AttachStdout: true };
    const { Id } = JSON.parse(
      (await ask("POST", "/containers/cat/exec", [JSON.stringify(body)], JSON_BODY)).body,
    );
    const head = `POST /exec/${Id}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    expect(await rawInTurn(head, "GET / HTTP/1.1\r\n\r\n")).toEndWith("GET / HTTP/1.1\r\n\r\n");
    expect(await rawInTurn(head, "")).toStartWith("HTTP/1.1 409 Conflict\r\n");
    await ask("DELETE", "/containers/cat?force=1");
  });

  test("without it, output alone: 200 and the same stream", async () => {
    const body = { Image: "busybox", Cmd: ["echo", "hi"] };
    await ask("POST", "/containers/create?name=cat", [JSON.stringify(body)], JSON_BODY);
    const attached = ask("POST", "/containers/cat/attach?stream=1&stdout=1");
    await ask("POST", "/containers/cat/start");
    const { status, headers, body: stream } = await attached;
    expect({ status, type: headers["content-type"] }).toEqual({
      status: 200,
      type: "application/vnd.docker.multiplexed-stream",
    });
    expect(stream).toBe(FRAME);
    await ask("DELETE", "/containers/cat?force=1");
  });
});
