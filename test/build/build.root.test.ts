import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

type Files = Readonly<Record<string, string | Uint8Array>>;

/** Build with the docker CLI's classic builder. */
async function build(files: Files, ...args: string[]) {
  using context = contextOf(files);
  return await buildIn(context.path, ...args);
}
const buildIn = (path: string, ...args: string[]) =>
  daemon.docker({ env: { DOCKER_BUILDKIT: "0" } }, "build", "-t", "it", ...args, path);

/** What a command in the image that was built says. */
const inIt = async (script: string) => (await daemon.docker("run", "--rm", "it", "sh", "-c", script)).stdout;
const inspect = async (format: string) => (await daemon.docker("inspect", "-f", format, "it")).stdout.trim();

describe("building with the docker CLI", () => {
  test("every instruction does its part", async () => {
    const dockerfile = `
FROM busybox AS base
ARG NAME=world
ENV GREETING="hello $NAME" OTHER=\${NAME%d}
LABEL a=b "c d"="e f"
WORKDIR /work
RUN echo $GREETING >said && pwd >>said
FROM base
COPY --chown=7:8 --chmod=640 one two/ /copied/
ADD --chmod=u=rx,go= one /added
USER 7
EXPOSE 80 90-91/udp
VOLUME /v
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh", "-ec"]
ONBUILD RUN true
ENTRYPOINT ["cat"]
CMD ["said"]
`;
    const { stdout, stderr, exitCode } = await build(
      { Dockerfile: dockerfile, one: "1", "two/in": "2" },
      "--build-arg",
      "NAME=you",
    );
    expect(stderr + stdout).toContain("Successfully tagged it:latest");
    expect(exitCode).toBe(0);
    const config = JSON.parse(await inspect("{{json .Config}}"));
    expect(config).toMatchObject({
      Env: [expect.stringContaining("PATH="), "GREETING=hello you", "OTHER=you"],
      Labels: { a: "b", "c d": "e f" },
      User: "7",
      ExposedPorts: { "80/tcp": {}, "90/udp": {}, "91/udp": {} },
      Volumes: { "/v": {} },
      StopSignal: "SIGINT",
      Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5e9 },
      Shell: ["/bin/sh", "-ec"],
      OnBuild: ["RUN true"],
      Entrypoint: ["cat"],
      Cmd: ["said"],
      WorkingDir: "/work",
    });
    const said = await daemon.docker("run", "--rm", "--no-healthcheck", "it");
    expect(said.stdout).toBe("hello you\n/work\n");
    const listed = await daemon.docker(
      "run",
      "--rm",
      "--no-healthcheck",
      "--entrypoint",
      "stat",
      "it",
      "-c",
      "%n %a %u %g",
      "/copied/one",
      "/copied/in",
      "/added",
    );
    expect(listed.stdout).toBe("/copied/one 640 7 8\n/copied/in 640 7 8\n/added 500 0 0\n");
  });

  test("a second build takes all from the cache and gives the same image", async () => {
    const files = { Dockerfile: "FROM busybox\nCOPY f /\nRUN date >/when\nCMD x", f: "1" };
    await build(files);
    const first = await inspect("{{.Id}}");
    const { stdout } = await build(files);
    expect(stdout.match(/Using cache/g)).toHaveLength(2);
    expect(await inspect("{{.Id}}")).toBe(first);
    await build(files, "--no-cache");
    expect(await inspect("{{.Id}}")).not.toBe(first);
  });

  test("the cache follows content and metadata, not times", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nCOPY f /\nRUN cat /f", f: "one" });
    const cached = async () => ((await buildIn(context.path)).stdout.match(/Using cache/g) ?? []).length;
    await cached();
    utimesSync(join(context.path, "f"), 1, 1);
    expect(await cached()).toBe(2);
    chmodSync(join(context.path, "f"), 0o600);
    expect(await cached()).toBe(0);
    writeFileSync(join(context.path, "f"), "two");
    expect(await cached()).toBe(0);
    expect(await cached()).toBe(2);
  });

  test("a failing command tells its code, its output and its line", async () => {
    const { stdout, stderr, exitCode } = await build({
      Dockerfile: "FROM busybox\n\nRUN echo why && exit 7",
    });
    expect(exitCode).toBe(7);
    expect(stdout).toContain("why\n");
    expect(stdout).toContain(">>> RUN echo why && exit 7");
    expect(stderr).toContain("The command '/bin/sh -c echo why && exit 7' returned a non-zero code: 7");
  });

  test.each([
    ["FROM busybox\nRUM x", "dockerfile parse error on line 2: unknown instruction: RUM (did you mean RUN?)"],
    ["FROM busybox\nCOPY none /", "stat none: file does not exist"],
    ["FROM 127.0.0.1:1/none", "127.0.0.1:1"],
    ["FROM busybox\nCOPY . /etc/passwd", "cannot copy to non-directory: /etc/passwd"],
    ["FROM busybox\nCOPY --chown=who Dockerfile /", "no such user: who"],
    ["FROM busybox\nRUN --network=host true", "network.host is not allowed"],
    ["FROM busybox\nADD http://127.0.0.1:1/x /", "dial tcp 127.0.0.1:1: connect: connection refused"],
    ['FROM busybox\nENV a="${b:?is needed}"', "b: is needed"],
    ["FROM busybox\nUSER x\nRUN true", "unable to find user x"],
    ["FROM --platform=linux/s390x busybox\nRUN true", "s390x"],
  ])("%p is refused", async (dockerfile, message) => {
    const { stderr, exitCode } = await build({ Dockerfile: dockerfile });
    expect(stderr).toContain(message);
    expect(exitCode).not.toBe(0);
  });

  test(".dockerignore keeps files from COPY and from mounts", async () => {
    const dockerfile = "FROM busybox\nCOPY . /c/\nRUN --mount=target=/m find /c /m -type f | sort >/found";
    await build({
      Dockerfile: dockerfile,
      ".dockerignore": "*\n!keep\nkeep/*.o\nDockerfile",
      "keep/a": "",
      "keep/b.o": "",
      other: "",
    });
    expect(await inIt("cat /found")).toBe("/c/keep/a\n/m/keep/a\n");
  });

  test("quiet builds say the id alone, --iidfile gets it", async () => {
    const { stdout } = await build({ Dockerfile: "FROM busybox\nLABEL x=y" }, "-q");
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });

  test("a Dockerfile alone comes from stdin", async () => {
    const { exitCode } = await daemon.docker(
      { input: "FROM busybox\nRUN echo in >/f", env: { DOCKER_BUILDKIT: "0" } },
      "build",
      "-t",
      "it",
      "-",
    );
    expect(exitCode).toBe(0);
    expect(await inIt("cat /f")).toBe("in\n");
  });
});

test("a Dockerfile from elsewhere comes in an archive that the client leaves without an end", async () => {
  using context = contextOf({ f: "x" });
  const input = "FROM busybox\nCOPY f /";
  const { exitCode } = await daemon.docker(
    { input, env: { DOCKER_BUILDKIT: "0" } },
    ...["build", "-q", "-f", "-", context.path],
  );
  expect(exitCode).toBe(0);
});

describe("gantry build", () => {
  const gantry = (input: string, ...args: string[]) => daemon.gantry({ input }, "build", ...args, "-");

  test("gives secrets to steps, and to nothing else", async () => {
    const secret = "s3cr3t-of-the-build";
    using files = contextOf({ s: secret });
    const dockerfile =
      'FROM busybox\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S test "$S" = "$(cat /run/secrets/s)" && echo $S | wc -c >/n';
    const built = await gantry(dockerfile, "-t", "it", "--secret", `id=s,src=${join(files.path, "s")}`);
    expect(built.stderr).toContain("naming to it");
    expect(await inIt("cat /n; ls /run 2>&1 | wc -l")).toBe("20\n1\n");
    const traces = Bun.spawnSync([
      "grep",
      "-rlF",
      secret,
      join(daemon.folder, "data"),
      join(daemon.folder, "exec"),
      daemon.logFile,
    ]);
    expect(traces.stdout.toString()).toBe("");
  });

  test("ends with the command's code and shows its line", async () => {
    const { stderr, exitCode } = await gantry("FROM busybox\nRUN echo said; exit 9", "--progress", "plain");
    expect(exitCode).toBe(9);
    expect(stderr).toMatch(/#2 \d+\.\d{3} said\n/);
    expect(stderr).toContain(">>> RUN echo said; exit 9");
  });

  test("writes a result's files into a folder, sends only what is not ignored", async () => {
    using context = contextOf({
      Dockerfile: "FROM scratch\nCOPY . /",
      ".dockerignore": "no\nDockerfile\n",
      no: "",
      [`yes/${"n".repeat(150)}`]: "1",
    });
    const out = join(context.path, "no-out");
    const { exitCode } = await daemon.gantry("build", "-q", "-o", `type=local,dest=${out}`, context.path);
    expect(exitCode).toBe(0);
    expect(readdirSync(out).sort()).toEqual([".dockerignore", "yes"]);
    expect(readdirSync(join(out, "yes"))).toEqual(["n".repeat(150)]);
  });

  test("--check finds mistakes and builds nothing", async () => {
    const { stdout, exitCode } = await gantry("FROM busybox AS Big\nRUN exit 1", "--check");
    expect(exitCode).toBe(1);
    expect(stdout).toContain("StageNameCasing");
  });
});

describe("RUN", () => {
  test("leaves what it changed and nothing of its mounts", async () => {
    await build({
      Dockerfile:
        "FROM scratch\nCOPY --from=busybox /bin /bin\nRUN --mount=type=tmpfs,target=/t/u --mount=type=cache,target=/root/.cache mkdir /made && rm /bin/yes",
    });
    const saved = await daemon.docker("history", "--format", "{{.Size}}", "it");
    expect(saved.exitCode).toBe(0);
    const { stdout } = await daemon.docker("create", "it", "x");
    expect(stdout.trim()).not.toBe("");
    expect((await inIt("ls /; ls /bin/yes /t /root 2>&1 | grep -c 'No such'")).split("\n").slice(-2)).toEqual(
      ["3", ""],
    );
    await daemon.docker("rm", stdout.trim());
  });

  test("cache mounts keep their content between builds, and never come into the image", async () => {
    const dockerfile = (n: number) =>
      `FROM busybox\nRUN --mount=type=cache,id=kept,target=/c echo ${n} >>/c/f && cat /c/f >/seen`;
    await build({ Dockerfile: dockerfile(1) });
    await build({ Dockerfile: dockerfile(2) });
    expect(await inIt("cat /seen; ls /c 2>&1 || true")).toContain("1\n2\n");
  });

  test("bind mounts come from the context, stages and images, and writes to them are thrown away", async () => {
    const dockerfile = `FROM busybox AS a
RUN mkdir -p /d/e && echo deep >/d/e/f
FROM busybox
RUN --mount=target=/ctx,rw --mount=from=a,source=/d,target=/a --mount=from=busybox,target=/b,rw \
  cat /ctx/f /a/e/f >/out && echo x >/ctx/new && echo y >/b/new && ls /b/bin/sh >>/out`;
    await build({ Dockerfile: dockerfile, f: "context\n" });
    expect(await inIt("cat /out; ls /ctx /a /b 2>&1 | wc -l")).toBe("context\ndeep\n/b/bin/sh\n3\n");
  });

  test("here-documents run as scripts, as programs and as input", async () => {
    const dockerfile = `FROM busybox
RUN <<EOF
echo one >/f
EOF
RUN <<EOF
#!/bin/cat
two
EOF
RUN cat <<A >>/f && cat <<B >>/f
three
A
four
B
COPY <<x <<"y" /d/
$HOME \${HOME:-none}
x
$HOME
y`;
    const { stdout } = await build({ Dockerfile: dockerfile });
    expect(stdout).toContain("\ntwo\n");
    expect(await inIt("cat /f /d/x /d/y")).toBe("one\nthree\nfour\n none\n$HOME\n");
  });

  test("secrets are unknown to this API: optional ones are absent, required ones refused", async () => {
    const optional = await build({
      Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=s test ! -e /run/secrets/s",
    });
    expect(optional.exitCode).toBe(0);
    const required = await build({ Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=s,required true" });
    expect(required.stderr).toContain("secret s: not found");
  });

  test("--network=none has no network", async () => {
    const { exitCode } = await build({ Dockerfile: "FROM busybox\nRUN --network=none ! ip link show eth0" });
    expect(exitCode).toBe(0);
  });

  test("independent stages run at the same time, unused ones not at all", async () => {
    const meet = (me: string, other: string) =>
      `RUN --mount=type=cache,id=meet,target=/m touch /m/${me}; for i in $(seq 200); do test -e /m/${other} && exit 0; sleep 0.05; done; exit 1`;
    const dockerfile = `FROM busybox AS a\n${meet("a", "b")}\nFROM busybox AS b\n${meet("b", "a")}\nFROM busybox AS unused\nRUN exit 1\nFROM busybox\nCOPY --from=a /etc/group /a\nCOPY --from=b /etc/group /b`;
    const { exitCode, stdout } = await build({ Dockerfile: dockerfile }, "--no-cache");
    expect(exitCode).toBe(0);
    expect(stdout).not.toContain("unused");
  });
});

describe("ADD", () => {
  test("unpacks local archives, and copies them when told not to", async () => {
    const tar = Bun.spawnSync(["sh", "-c", "mkdir -p d && echo in >d/f && tar cz d; rm -r d"], {
      cwd: "/tmp",
    }).stdout;
    await build({ Dockerfile: "FROM busybox\nADD a.tgz /x/\nADD --unpack=false a.tgz /y/", "a.tgz": tar });
    expect(await inIt("cat /x/d/f; ls /y")).toBe("in\na.tgz\n");
  });

  test("fetches addresses, checks their digests, keeps their times", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { "Last-Modified": "Thu, 01 Jan 2004 00:00:00 GMT" }).end("from afar");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/name.txt`;
      await build({ Dockerfile: `FROM busybox\nADD ${url} /d/` });
      expect(await inIt("stat -c '%a %Y' /d/name.txt; cat /d/name.txt")).toBe("600 1072915200\nfrom afar");
      const bad = await build({
        Dockerfile: `FROM busybox\nADD --checksum=sha256:${"0".repeat(64)} ${url} /d/`,
      });
      expect(bad.stderr).toContain("digest mismatch");
    } finally {
      server.close();
    }
  });
});

describe("COPY", () => {
  test("follows Docker's rules of names and folders", async () => {
    const dockerfile = `FROM busybox AS from
RUN mkdir -p /s/x && echo s >/s/x/f && ln -s x /s/link && chown -R 5:6 /s
FROM busybox
WORKDIR /w
COPY d /as-dir
COPY d/a .
COPY d/a named
COPY d/[ab] *.txt /many/
COPY --parents d/./e/deep /p/
COPY --exclude=*.txt . /ex/
COPY --from=from /s/link/f /linked
COPY --link d /l/
RUN find /w /as-dir /many /p /ex /linked /l -type f | sort >/found`;
    await build({
      Dockerfile: dockerfile,
      "d/a": "a",
      "d/b": "b",
      "d/e/deep": "x",
      "1.txt": "",
      "2.txt": "",
    });
    expect((await inIt("cat /found")).trim().split("\n")).toEqual([
      ...["/as-dir/a", "/as-dir/b", "/as-dir/e/deep", "/ex/Dockerfile", "/ex/d/a", "/ex/d/b", "/ex/d/e/deep"],
      ...["/l/a", "/l/b", "/l/e/deep", "/linked", "/many/1.txt", "/many/2.txt", "/many/a", "/many/b"],
      ...["/p/e/deep", "/w/a", "/w/named"],
    ]);
  });

  test("links of a context or an image lead nowhere else", async () => {
    using context = contextOf({
      Dockerfile: "FROM busybox\nRUN ln -s /../../../../../../etc /out\nCOPY f /out/here\nCOPY l/passwd /p",
    });
    writeFileSync(join(context.path, "f"), "x");
    symlinkSync("/etc", join(context.path, "l"));
    const { stderr } = await buildIn(context.path);
    expect(stderr).toContain("stat l/passwd: file does not exist");
  });
});

describe("a build that is stopped", () => {
  test("leaves no process, no container, no folder", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nRUN echo started; sleep 1000" });
    const client = spawn("docker", ["build", context.path], {
      env: { ...process.env, DOCKER_HOST: daemon.host, DOCKER_BUILDKIT: "0" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    for await (const chunk of client.stdout) if (String(chunk).includes("started\n")) break;
    client.kill("SIGINT");
    await once(client, "exit");
    // The next build's end comes after the stopped one's, whose lease it would otherwise meet.
    await build({ Dockerfile: "FROM busybox" });
    // The context goes last of all that the stopped build had.
    while (readdirSync(join(daemon.folder, "data/build")).length > 2)
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const folder of ["exec/tasks", "exec/build"])
      expect(readdirSync(join(daemon.folder, folder))).toEqual([]);
    expect(readdirSync(join(daemon.folder, "data/build")).sort()).toEqual(["files", "mounts"]);
    expect((await daemon.docker("ps", "-aq")).stdout).toBe("");
  });
});

describe("the cache", () => {
  test("survives the daemon, is pruned, and gives back its layers", async () => {
    const files = { Dockerfile: "FROM busybox\nRUN head -c 100000 /dev/zero >/f" };
    await build(files);
    await daemon.kill9();
    await daemon.restart();
    expect((await build(files)).stdout).toContain("Using cache");
    await daemon.docker("rmi", "it");
    expect((await build(files)).stdout).toContain("Using cache");
    await daemon.docker("rmi", "it");
    const layers = () => readdirSync(join(daemon.folder, "data/snapshots")).length;
    const before = layers();
    const { stdout } = await daemon.docker("builder", "prune", "-f", "-a");
    expect(stdout).toContain("Total");
    expect(layers()).toBeLessThan(before);
    expect((await build(files)).stdout).not.toContain("Using cache");
  });

  test("SOURCE_DATE_EPOCH gives the same image from other folders and daemons", async () => {
    await using other = await startDaemon();
    const files = {
      Dockerfile: "FROM busybox\nARG SOURCE_DATE_EPOCH\nCOPY f /d/\nRUN echo x >/made && mkdir /e",
      f: "1",
    };
    const args = ["--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1700000000"];
    await build(files, ...args);
    using context = contextOf(files);
    await other.docker({ env: { DOCKER_BUILDKIT: "0" } }, "build", "-t", "it", ...args, context.path);
    const id = await inspect("{{.Id}} {{.Created}}");
    expect(id).toContain("2023-11-14T22:13:20");
    expect((await other.docker("inspect", "-f", "{{.Id}} {{.Created}}", "it")).stdout.trim()).toBe(id);
  });
});
