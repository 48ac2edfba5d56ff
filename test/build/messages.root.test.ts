import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { GANTRY, startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** Wrong Dockerfiles, the line that is at fault, and what is said of it. */
const WRONG: readonly (readonly [dockerfile: string, line: number, ...words: string[]])[] = [
  ["FROM busybox\n\nRUM echo hi", 3, "unknown instruction: RUM (did you mean RUN?)"],
  [
    "FROM busybox as a b",
    1,
    "FROM requires either one or three arguments",
    "expected: FROM [--platform=P] IMAGE[:TAG|@DIGEST] [AS NAME]",
  ],
  [
    "RUN true\nFROM busybox",
    1,
    "no build stage in current context",
    "expected: FROM before anything but ARG",
  ],
  ["FROM busybox\nENV key", 2, "ENV must have two arguments", "expected: ENV KEY=VALUE ..."],
  ["FROM busybox\nLABEL a=b c", 2, 'can\'t find = in "c"', "expected: LABEL KEY=VALUE ..."],
  [
    "FROM busybox\nCOPY onlyone",
    2,
    "COPY requires at least two arguments",
    "expected: COPY [FLAGS] SOURCE ... DESTINATION",
  ],
  ["FROM busybox\nCOPY --fro=x a /b", 2, "unknown flag: --fro", "expected: --from"],
  ["FROM busybox\nRUN --mount=type=cach,target=/x true", 2, "cach", "expected: "],
  ["FROM busybox\nRUN --mount=type=cache,targt=/x true", 2, "targt", "expected: "],
  [
    "FROM busybox\nRUN --network=bridge true",
    2,
    'unsupported network mode "bridge"',
    "expected: default, none or host",
  ],
  [
    "FROM busybox\nSHELL /bin/sh",
    2,
    "SHELL requires the arguments to be in JSON form",
    'expected: SHELL ["PROGRAM", "ARG"]',
  ],
  ["FROM busybox\nHEALTHCHECK --interval=often CMD true", 2, "often"],
  ["FROM busybox\nSTOPSIGNAL HELLO", 2, "invalid signal: HELLO"],
  ["FROM busybox\nEXPOSE 99999", 2, "99999"],
  [
    "FROM busybox\nRUN <<EOF\necho never ends",
    2,
    "unterminated heredoc",
    'expected: a line "EOF" after the document',
  ],
  ['FROM busybox\nENV a="${b:?must be given}"', 2, "b: must be given"],
  ["FROM busybox\nENV a=${b", 2, "missing '}'"],
  ["FROM busybox\nCOPY none \\\n  /there", 2, "none: file does not exist"],
  ["FROM busybox\nCOPY --from=127.0.0.1:1/none /a /", 2, "127.0.0.1:1"],
  ["# escape=x\nFROM busybox", 1, "invalid ESCAPE 'x'"],
  ["FROM busybox\nRUN true && \\\n  exit 3", 2, "returned a non-zero code: 3"],
  ["FROM busybox\nCOPY --chmod=rwx Dockerfile /", 2, "rwx"],
  ["FROM busybox\nCOPY --from=9 /a /b", 2, "invalid stage index 9"],
  ["FROM busybox\nRUN --mount=from=9,target=/m true", 2, "invalid stage index 9"],
  ["FROM busybox AS a\nCOPY --from=a /a /b", 2, "circular dependency detected on stage: a"],
  ["ARG A\nFROM busybox\nCOPY --from=$A /a /b", 3, "variable expansion is not supported for --from"],
  ["FROM busybox\nARG T=cach\nRUN --mount=type=$T,target=/m true", 3, 'unsupported mount type "cach"'],
  ["FROM busybox\nRUN --mount=target=/ true", 2, 'invalid mount target "/"'],
  ["FROM --platform=$NOPE busybox", 1, "empty platform value from expression $NOPE"],
  ["FROM --platform=linux/none busybox", 1, "does not match the specified platform (linux/none)"],
];

describe("a wrong Dockerfile", () => {
  test.each(WRONG)("%p is told with its file, line %p and text", async (dockerfile, line, ...words) => {
    using context = contextOf({ "sub/My.Dockerfile": dockerfile });
    const { stderr, exitCode } = await daemon.gantry(
      ...["build", "--progress", "plain", "-f", join(context.path, "sub/My.Dockerfile"), context.path],
    );
    expect(exitCode).not.toBe(0);
    const text = dockerfile.split("\n")[line - 1] ?? "";
    expect(stderr).toContain(`sub/My.Dockerfile:${line}\n`);
    expect(stderr).toContain(`${String(line).padStart(4)} | >>> ${text}\n`);
    for (const word of words) expect(stderr).toContain(word);
  });
});

test("a build is cancelled by the id that its client gave it", async () => {
  using context = contextOf({ Dockerfile: "FROM busybox\nRUN echo begun; sleep 1000" });
  const tar = spawn("tar", ["-C", context.path, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const socketPath = daemon.host.slice("unix://".length);
  const build = request({ socketPath, method: "POST", path: "/build?buildid=mine&nocache=1" });
  tar.stdout.pipe(build);
  const [response]: IncomingMessage[] = await once(build, "response");
  let said = "";
  for await (const chunk of response ?? []) {
    said += String(chunk);
    if (!said.includes("begun\\n") || said.includes("cancel")) continue;
    expect(await daemon.api("POST", "/build/cancel?id=other")).toEqual({ status: 200, body: "" });
    expect((await daemon.api("POST", "/build/cancel?id=mine")).status).toBe(200);
  }
  expect(said).toContain('"error":"context canceled"');
  expect(readdirSync(join(daemon.folder, "exec/build"))).toEqual([]);
  expect(await daemon.api("POST", "/build/cancel")).toMatchObject({ status: 400 });
}, 30_000);

describe.each([
  ["docker", ["docker"]],
  ["gantry", GANTRY],
])("a build whose %s client is interrupted", (_name, [program = "", ...words]) => {
  test("ends all steps that run, and leaves no process, no container, no folder", async () => {
    const dockerfile =
      "FROM busybox AS a\nRUN echo begun-a; sleep 1000\nFROM busybox AS b\nRUN echo begun-b; sleep 1000\nFROM busybox\nCOPY --from=a / /\nCOPY --from=b / /";
    using context = contextOf({ Dockerfile: dockerfile });
    const client = spawn(program, [...words, "build", context.path], {
      env: { ...process.env, DOCKER_HOST: daemon.host, GANTRY_HOST: daemon.host, DOCKER_BUILDKIT: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [client.stdout, client.stderr])
      stream.on("data", (chunk) => (said += String(chunk)));
    // Docker's client shows one step at a time; the other one runs all the same.
    while (!said.includes("begun-a\n"))
      await Promise.race([once(client.stdout, "data"), once(client.stderr, "data")]);
    client.kill("SIGINT");
    const [code] = await once(client, "exit");
    expect(code).not.toBe(0);
    // The end of a build is told nobody but its client, which is gone.
    const tasks = () => readdirSync(join(daemon.folder, "exec/tasks"));
    const since = performance.now();
    while (tasks().length > 0 || readdirSync(join(daemon.folder, "exec/build")).length > 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(performance.now() - since).toBeLessThan(5000);
    expect((await daemon.docker("ps", "-aq")).stdout).toBe("");
    expect(readdirSync(join(daemon.folder, "data/build")).sort()).toEqual(["files", "mounts"]);
    const [entry = ""] = (await daemon.gantry("builder", "history")).stdout.split("\n").slice(1);
    expect(entry.toLowerCase()).toContain("cancel");
  });
});
