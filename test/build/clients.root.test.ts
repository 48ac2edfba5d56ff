import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import Docker from "dockerode";
import { pack } from "tar-stream";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";
import { type RemoteFiles, serveRemoteFiles } from "./differential/remote-files.ts";

/** The ways in which people's clients ask for builds. */
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const inspect = async (image: string, format: string) =>
  (await daemon.docker("inspect", "-f", format, image)).stdout.trim();
const cat = async (image: string, ...files: string[]) =>
  (await daemon.docker("run", "--rm", "--entrypoint", "cat", image, ...files)).stdout;

async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const TWO_STAGES = `FROM busybox AS first
ARG WHO=nobody
LABEL who=$WHO
RUN echo "$WHO" >/who
FROM first
RUN exit 5
`;

describe("docker build", () => {
  const docker = (input: string | Uint8Array, ...args: string[]) =>
    daemon.docker({ input, env: { DOCKER_BUILDKIT: "0" } }, "build", ...args);

  test("takes its flags, all of them", async () => {
    using context = contextOf({
      "Some.Dockerfile": `FROM busybox AS first
ARG A
ARG UNSET=default
RUN grep named.host /etc/hosts >/hosts; ls /sys/class/net >/links; ulimit -n >/limit; df -k /dev/shm | awk 'END{print $2}' >/shm; echo "$A [$UNSET]" >/args; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null >/memory; cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null >/shares || true
FROM first
RUN exit 1
`,
    });
    const id = join(context.path, "id");
    const built = await docker(
      "",
      ...["-t", "flags:1", "-t", "flags:2", "-f", join(context.path, "Some.Dockerfile"), "--iidfile", id],
      ...[
        "--target",
        "first",
        "--label",
        "x=y",
        "--label",
        "z",
        "--build-arg",
        "A=b c",
        "--build-arg",
        "NOT_HERE",
      ],
      ...[
        "--network",
        "none",
        "--add-host",
        "named.host:10.9.8.7",
        "--ulimit",
        "nofile=321:654",
        "--shm-size",
        "8m",
      ],
      ...[
        "-m",
        "64m",
        "--memory-swap",
        "128m",
        "-c",
        "512",
        "--cpu-period",
        "100000",
        "--cpu-quota",
        "50000",
      ],
      ...["--cpuset-cpus", "0", "--cpuset-mems", "0", "--no-cache", "--rm", "--force-rm", "--compress"],
      ...[
        "--isolation",
        "default",
        "--platform",
        "linux/amd64",
        "--disable-content-trust",
        "--security-opt",
        "no-new-privileges",
      ],
      context.path,
    );
    expect({ ...built, stdout: "" }).toMatchObject({ exitCode: 0 });
    expect(built.stdout).toContain("Successfully tagged flags:1\nSuccessfully tagged flags:2\n");
    expect(built.stdout).toContain("One or more build-args [NOT_HERE] were not consumed");
    expect(readFileSync(id, "utf8")).toBe(await inspect("flags:2", "{{.Id}}"));
    expect(await inspect("flags:1", "{{json .Config.Labels}}")).toBe('{"x":"y","z":""}');
    expect(await cat("flags:1", "/links", "/limit", "/shm", "/args")).toBe("lo\n321\n8192\nb c [default]\n");
    expect(await cat("flags:1", "/hosts")).toMatch(/^10\.9\.8\.7\s+named\.host\n$/);
    expect(await cat("flags:1", "/memory")).toContain(`${64 << 20}\n`);
  });

  test("is refused --squash, and told what else there is", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox" });
    // The client itself asks for experimental features first; so this speaks for it.
    const { status, body } = await daemon.api("POST", "/build?squash=1");
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body).toContain("squash is only supported with experimental mode: build in stages");
    const { exitCode, stderr } = await docker("", "--squash", context.path);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("--squash");
  });

  test("sends a Dockerfile from stdin with a folder, and a tar from stdin", async () => {
    using context = contextOf({ f: "of the folder" });
    const first = await docker("FROM busybox\nCOPY f /", "-t", "stdin", "-f", "-", context.path);
    expect(first.exitCode).toBe(0);
    expect(await cat("stdin", "/f")).toBe("of the folder");
    const tar = await tarOf({ "sub/Other": "FROM busybox\nCOPY f /", f: "of the tar" });
    const second = await docker(tar, "-t", "stdin", "-f", "sub/Other", "-");
    expect(second.exitCode).toBe(0);
    expect(await cat("stdin", "/f")).toBe("of the tar");
    const own = await daemon.gantry({ input: tar }, "build", "-q", "-t", "stdin", "-f", "sub/Other", "-");
    expect(own.stdout.trim()).toBe(await inspect("stdin", "{{.Id}}"));
  });

  test("leaves a given argument without a value unset, and takes it from its own environment", async () => {
    using context = contextOf({ Dockerfile: 'FROM busybox\nARG A=default\nRUN echo "[$A]" >/a' });
    const env = { DOCKER_BUILDKIT: "0", A: "of the client" };
    await daemon.docker({ env }, "build", "-t", "arg", "--build-arg", "A", context.path);
    expect(await cat("arg", "/a")).toBe("[of the client]\n");
  });
});

describe("contexts by address", () => {
  let remote: RemoteFiles;
  let url: string;
  const server = createServer();
  beforeAll(async () => {
    remote = await serveRemoteFiles(new Uint8Array());
    const bodies: Readonly<Record<string, Buffer>> = {
      "/context.tar": await tarOf({ Dockerfile: "FROM busybox\nCOPY f /", f: "of the archive" }),
      "/Dockerfile": Buffer.from("FROM busybox\nRUN printf alone >/f"),
    };
    server.on("request", (request, response) => {
      const { url: path = "" } = request;
      const body = bodies[path];
      const type = path.endsWith(".tar") ? "application/x-tar" : "text/plain";
      response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await remote[Symbol.asyncDispose]();
  });

  /** Docker's client fetches by itself; Gantry's, and others that say `remote=`, leave it to the engine. */
  const clients = ["docker", "gantry"] as const;
  const build = (client: (typeof clients)[number], ...args: string[]) =>
    daemon[client]({ env: { DOCKER_BUILDKIT: "0" } }, "build", "-t", "remote", ...args);

  test.each(clients)("%s builds an archive and a Dockerfile alone", async (client) => {
    expect((await build(client, `${url}/context.tar`)).exitCode).toBe(0);
    expect(await cat("remote", "/f")).toBe("of the archive");
    expect((await build(client, `${url}/Dockerfile`)).exitCode).toBe(0);
    expect(await cat("remote", "/f")).toBe("alone");
    const none = await build(client, `${url}/none`);
    expect(none.exitCode).not.toBe(0);
    expect(none.stderr).toContain("404");
  });

  test.each(clients)("%s builds a git repository, its branches and folders", async (client) => {
    expect((await build(client, `${remote.values.git}#image`)).exitCode).toBe(0);
    expect(await cat("remote", "/README")).toBe("other\n");
    expect((await build(client, `${remote.values.git}#image:sub`)).exitCode).toBe(0);
    expect(await cat("remote", "/in")).toBe("in\n");
    expect((await build(client, `${remote.values.git}#none`)).exitCode).not.toBe(0);
  });
});

describe("dockerode", () => {
  const client = () => new Docker({ socketPath: daemon.host.replace("unix://", "") });
  type Message = { stream?: string; error?: string; aux?: { ID?: string } };

  async function follow(stream: NodeJS.ReadableStream): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      client().modem.followProgress(stream, (error, messages) =>
        error === null ? resolve(messages) : reject(error),
      );
    });
  }

  test("builds a tar with options, and a folder by its files", async () => {
    const tar = await tarOf({ "a/Dockerfile": TWO_STAGES });
    const messages = await follow(
      await client().buildImage(tar as unknown as NodeJS.ReadableStream, {
        t: "rode",
        dockerfile: "a/Dockerfile",
        target: "first",
        buildargs: { WHO: "dockerode" },
        labels: { more: "1" },
        nocache: true,
        networkmode: "none",
      }),
    );
    const id = messages.find(({ aux }) => aux?.ID !== undefined)?.aux?.ID;
    expect(id).toBe(await inspect("rode", "{{.Id}}"));
    expect(await inspect("rode", "{{json .Config.Labels}}")).toBe('{"more":"1","who":"dockerode"}');
    using context = contextOf({
      Dockerfile: "FROM busybox\nCOPY f sub/g /",
      f: "f",
      "sub/g": "g",
      "not-sent": "",
    });
    await follow(
      await client().buildImage({ context: context.path, src: ["Dockerfile", "f", "sub/g"] }, { t: "rode" }),
    );
    expect(await cat("rode", "/f", "/g")).toBe("fg");
  });

  test("sees a failure as an error of its stream, with the command's code", async () => {
    const tar = await tarOf({ Dockerfile: "FROM busybox\nRUN echo why; exit 7" });
    const stream = await client().buildImage(tar as unknown as NodeJS.ReadableStream, { t: "rode" });
    expect((await follow(stream)).at(-1)).toMatchObject({
      error: expect.stringContaining("returned a non-zero code: 7"),
      errorDetail: { code: 7 },
    });
    const wrong = await tarOf({ Dockerfile: "FROM busybox\nRUM x" });
    await expect(client().buildImage(wrong as unknown as NodeJS.ReadableStream, {})).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringContaining("dockerfile parse error on line 2: unknown instruction: RUM"),
    });
  });
});

describe("docker-compose", () => {
  const compose = (folder: string, ...args: string[]) =>
    runProgram(
      "docker-compose",
      ["-f", join(folder, "docker-compose.yml"), "--no-ansi", "-p", "built", ...args],
      {
        env: { DOCKER_HOST: daemon.host },
        limitMs: 60_000,
      },
    );

  test("builds its services' images, with all of its build options, and runs them", async () => {
    using context = contextOf({
      "docker-compose.yml": `version: "2.4"
services:
  one:
    build:
      context: ./sub
      dockerfile: Other
      target: first
      args: {WHO: compose}
      labels: {l: "1"}
      cache_from: [busybox]
      network: none
      shm_size: 8m
      extra_hosts: ["some.where:10.1.1.1"]
    image: composed
    command: cat /who
  two:
    build: ./two
    command: cat /f
`,
      "sub/Other": TWO_STAGES,
      "two/Dockerfile": "FROM busybox\nCOPY --chmod=600 f /\n",
      "two/f": "two",
    });
    const built = await compose(context.path, "build", "--no-cache", "--build-arg", "WHO=the command line");
    expect({
      exitCode: built.exitCode,
      said: built.exitCode === 0 ? "" : built.stdout + built.stderr,
    }).toEqual({ exitCode: 0, said: "" });
    expect(built.stdout + built.stderr).toContain("Successfully tagged composed:latest");
    expect(await cat("composed", "/who")).toBe("the command line\n");
    expect(await inspect("composed", "{{.Config.Labels.l}} {{.Config.Labels.who}}")).toBe(
      "1 the command line",
    );
    expect((await compose(context.path, "run", "--rm", "two")).stdout.trim()).toBe("two");
    await compose(context.path, "down");
  });

  test("says why a service's image cannot be built", async () => {
    using context = contextOf({
      "docker-compose.yml": 'version: "2.4"\nservices: {one: {build: .}}\n',
      Dockerfile: "FROM busybox\nRUN exit 3\n",
    });
    const { stdout, stderr, exitCode } = await compose(context.path, "build");
    expect(exitCode).not.toBe(0);
    expect(stdout + stderr).toContain("returned a non-zero code: 3");
  });
});
