import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { packRootFileSystem, runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

/** What a build is given and must not keep. */
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const build = (dockerfile: string, env: Readonly<Record<string, string>>, ...args: string[]) =>
  daemon.gantry({ input: dockerfile, env }, "build", "--progress", "plain", "-t", "it", ...args, "-");

/** Files of the daemon with these bytes in them: layers, configs, databases, caches, what steps left behind, logs. */
async function traces(...texts: string[]): Promise<string> {
  const places = [join(daemon.folder, "data"), join(daemon.folder, "exec"), daemon.logFile];
  const patterns = texts.flatMap((text) => ["-e", text]);
  return (await runProgram("grep", ["-rlaF", "--devices=skip", ...patterns, ...places])).stdout;
}

describe("secrets", () => {
  const secret = "s3cr3t-of-the-build";
  const inBase64 = Buffer.from(secret).toString("base64").slice(0, 20);
  const sum = createHash("md5").update(secret).digest("hex");
  const dockerfile = `FROM busybox
RUN --mount=type=secret,id=s md5sum </run/secrets/s | grep ${sum}
RUN --mount=type=secret,id=s,target=/deep/er/s md5sum </deep/er/s | grep ${sum}
RUN --mount=type=secret,id=s,env=TOKEN printf %s "$TOKEN" | md5sum | grep ${sum} && test ! -e /run/secrets/s
RUN --mount=type=secret,id=s,env=TOKEN,target=/f printf %s "$TOKEN" | cmp - /f
RUN --mount=type=secret,target=/x/s,mode=0440,uid=1,gid=2 test "$(stat -c '%a %u:%g' /x/s)" = "440 1:2"
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
RUN test ! -e /run/secrets/s && test -z "$TOKEN"
`;

  test.each([
    ["of a file", ["--secret", "id=s,src={file}"]],
    ["of a variable", ["--secret", "id=s,env=BUILD_SECRET"]],
  ])("%s reach the steps that mount them, and nothing keeps them", async (_name, words) => {
    using files = contextOf({ s: secret });
    const options = words.map((word) => word.replace("{file}", join(files.path, "s")));
    const built = await build(dockerfile, { BUILD_SECRET: secret }, "--no-cache", ...options);
    expect({ ...built, stderr: built.exitCode === 0 ? "" : built.stderr }).toMatchObject({
      exitCode: 0,
      stderr: "",
    });
    expect(built.stdout + built.stderr).not.toContain(secret);
    expect(await traces(secret, inBase64)).toBe("");
    const told = [
      await daemon.docker("history", "--no-trunc", "it"),
      await daemon.docker("inspect", "it"),
      await daemon.gantry("builder", "du", "--verbose"),
      await daemon.gantry("builder", "history"),
    ];
    for (const { stdout, stderr } of told) expect(stdout + stderr).not.toContain(secret);
    expect((await daemon.docker("run", "--rm", "it", "ls", "/deep", "/x", "/run/secrets", "/f")).stdout).toBe(
      "",
    );
  });

  test.each([
    ["a file's", "src={file}"],
    ["a variable's", "type=env,id=s"],
  ])("have %s name as their id when none is given", async (_name, option) => {
    using files = contextOf({ s: secret });
    const line = `FROM busybox\nRUN --mount=type=secret,id=s md5sum </run/secrets/s | grep ${sum}`;
    const words = ["--no-cache", "--secret", option.replace("{file}", join(files.path, "s"))];
    expect((await build(line, { s: secret }, ...words)).exitCode).toBe(0);
  });

  test("are no part of what a step is: another value takes the result from the cache", async () => {
    const line = "FROM busybox\nRUN --mount=type=secret,id=s echo ran";
    await build(line, { s: "one" }, "--secret", "id=s");
    expect((await build(line, { s: "two" }, "--secret", "id=s")).stderr).toContain("CACHED");
  });

  test("that are required and not given, or cannot be read, fail the build with a sentence", async () => {
    const required = await build("FROM busybox\nRUN --mount=type=secret,id=s,required true", {});
    expect(required.stderr).toContain("secret s: not found");
    expect(required.exitCode).not.toBe(0);
    const unread = await build("FROM busybox", {}, "--secret", "id=s,src=/nowhere");
    expect(unread.stderr).toContain("failed to read secret /nowhere: ENOENT");
    const unset = await build("FROM busybox", {}, "--secret", "id=s,env=NOT_SET_AT_ALL");
    expect(unset.stderr).toContain("environment variable NOT_SET_AT_ALL is not set");
    const wrong = await build("FROM busybox", {}, "--secret", "id=s,source=/etc/passwd,mode=1");
    expect(wrong.stderr).toContain("unexpected key 'mode'");
  });
});

/** An agent as people have one, with one key. */
async function startAgent(
  folder: string,
): Promise<AsyncDisposable & { socket: string; fingerprint: string }> {
  const [socket, key] = [join(folder, "agent"), join(folder, "key")];
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "inherit"] });
  // It says its name once it listens.
  await once(agent.stdout, "data");
  await runProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "key of a test", "-f", key]);
  const added = await runProgram("ssh-add", [key], { env: { SSH_AUTH_SOCK: socket } });
  if (added.exitCode !== 0) throw new Error(added.stderr);
  const { stdout } = await runProgram("ssh-keygen", ["-lf", key]);
  return {
    socket,
    fingerprint: stdout.split(" ")[1] ?? "",
    async [Symbol.asyncDispose]() {
      const ended = once(agent, "exit");
      agent.kill();
      await ended;
    },
  };
}

describe("an ssh agent", () => {
  test("is asked by the steps that mount it, and stays out of the image", async () => {
    using files = contextOf({});
    await using agent = await startAgent(files.path);
    const archive = join(files.path, "image.tar");
    await packRootFileSystem(archive, {
      programs: ["/usr/bin/ssh-add"],
      applets: ["sh", "grep", "stat", "test", "cat"],
      texts: { "/etc/passwd": "root:x:0:0::/:/bin/sh\n" },
    });
    await daemon.docker("import", archive, "with-ssh");
    const dockerfile = `FROM with-ssh
RUN --mount=type=ssh ssh-add -l >/keys && test "$SSH_AUTH_SOCK" = /run/buildkit/ssh_agent.0
RUN --mount=type=ssh,id=other,target=/agent,mode=0640,uid=3,gid=4,required test "$(stat -c '%a %u:%g' /agent)" = "640 3:4" && ssh-add -L >>/keys
RUN --mount=type=ssh,id=absent test -z "$SSH_AUTH_SOCK"
RUN test -z "$SSH_AUTH_SOCK" && test ! -e /agent
`;
    const env = { SSH_AUTH_SOCK: agent.socket };
    const built = await build(dockerfile, env, "--ssh", "default", "--ssh", `other=${agent.socket}`);
    expect({ exitCode: built.exitCode, said: built.exitCode === 0 ? "" : built.stderr }).toEqual({
      exitCode: 0,
      said: "",
    });
    const { stdout } = await daemon.docker("run", "--rm", "it", "cat", "/keys");
    expect(stdout).toContain(agent.fingerprint);
    expect(stdout).toContain("key of a test");
    expect((await daemon.docker("inspect", "it")).stdout).not.toContain("SSH_AUTH_SOCK=");
    expect(await traces(agent.socket)).toBe("");
  });

  test("that is required and not given, or not there, fails the build with a sentence", async () => {
    const required = await build("FROM busybox\nRUN --mount=type=ssh,required true", {});
    expect(required.stderr).toContain('no SSH key "default" forwarded from the client');
    const unset = await daemon.gantry(
      { input: "FROM busybox", env: { SSH_AUTH_SOCK: "" } },
      "build",
      "--ssh",
      "default",
      "-",
    );
    expect(unset.stderr).toContain("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    expect(unset.exitCode).toBe(1);
    const key = await build("FROM busybox", {}, "--ssh", "default=/etc/passwd");
    expect(key.stderr).toContain("/etc/passwd is no ssh agent's socket");
  });
});
