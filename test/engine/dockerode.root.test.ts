import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import Docker from "dockerode";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

/** The client library of Node programs: what it sends, and what it makes of the answers. */
let daemon: TestDaemon;
let docker: Docker;
beforeAll(async () => {
  daemon = await startDaemon();
  docker = new Docker({ socketPath: daemon.host.replace("unix://", "") });
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** Both outputs of a multiplexed stream, to its end. */
async function outputs(stream: NodeJS.ReadableStream): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  const both = Promise.all([text(stdout), text(stderr)]);
  await once(stream, "end");
  stdout.end();
  stderr.end();
  const [out, err] = await both;
  return { stdout: out, stderr: err };
}

test("an image is pulled with progress, listed, looked at, named and unnamed", async () => {
  const progress: { status?: string }[] = await new Promise((resolve, reject) => {
    docker.pull("busybox", (error: Error | null, stream: NodeJS.ReadableStream) => {
      if (error !== null) reject(error);
      else
        docker.modem.followProgress(stream, (failed, all) =>
          failed === null ? resolve(all) : reject(failed),
        );
    });
  });
  expect(progress.at(-1)?.status).toContain("busybox:latest");
  await docker.getImage("busybox").tag({ repo: "example/other", tag: "1" });
  const images = await docker.listImages({ filters: { reference: ["example/other"] } });
  expect(images[0]?.RepoTags).toContain("example/other:1");
  expect(images[0]?.Id).toBe((await docker.getImage("busybox").inspect()).Id);
  await docker.getImage("example/other:1").remove();
  await expect(docker.getImage("example/other:1").inspect()).rejects.toMatchObject({ statusCode: 404 });
});

test("attach with hijack: input until the half close, both outputs, then the exit code", async () => {
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "wc -c; echo err >&2; exit 3"],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
  });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const read = outputs(stream);
  const ended = container.wait({ condition: "next-exit" });
  await container.start();
  stream.write("x".repeat(300_000));
  stream.end();
  expect(await read).toEqual({ stdout: "300000\n", stderr: "err\n" });
  expect(await ended).toEqual({ StatusCode: 3 });
  expect(await outputs(await container.logs({ stdout: true, stderr: true, follow: true }))).toEqual({
    stdout: "300000\n",
    stderr: "err\n",
  });
  await container.remove();
});

test("exec with hijack, with and without a terminal", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "1d"] });
  await container.start();
  const exec = await container.exec({ Cmd: ["cat"], AttachStdin: true, AttachStdout: true });
  const stream = await exec.start({ hijack: true, stdin: true });
  const read = outputs(stream);
  stream.end("typed\n");
  expect(await read).toEqual({ stdout: "typed\n", stderr: "" });
  expect(await exec.inspect()).toMatchObject({ Running: false, ExitCode: 0 });

  const terminal = await container.exec({ Cmd: ["tty"], AttachStdout: true, Tty: true });
  expect(await text(await terminal.start({ Tty: true }))).toBe("/dev/pts/0\r\n");

  const { stdout } = await outputs(
    await (await container.exec({ Cmd: ["nosuch"], AttachStdout: true, AttachStderr: true })).start({}),
  );
  expect(stdout).toContain('exec: "nosuch": executable file not found in $PATH');
  await container.remove({ force: true });
});

test("events come as they happen, and stop when nobody reads them any more", async () => {
  const events = await docker.getEvents({ filters: { type: ["container"], label: ["watched=yes"] } });
  const seen: string[] = [];
  const destroyed = Promise.withResolvers<void>();
  let rest = "";
  events.on("data", (chunk) => {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) seen.push(JSON.parse(line).Action);
    if (seen.includes("destroy")) destroyed.resolve();
  });
  await docker.run("busybox", ["true"], new PassThrough(), {
    Labels: { watched: "yes" },
    HostConfig: { AutoRemove: true },
  });
  await destroyed.promise;
  expect(seen).toEqual(["create", "attach", "start", "die", "destroy"]);
  (events as NodeJS.ReadableStream & { destroy(): void }).destroy();
});

test("errors carry status and words", async () => {
  await expect(docker.getContainer("nope").start()).rejects.toMatchObject({
    statusCode: 404,
    json: { message: "No such container: nope" },
  });
  await expect(docker.createContainer({ Image: "busybox", HostConfig: { Memory: 1 } })).rejects.toMatchObject(
    {
      statusCode: 400,
    },
  );
});
