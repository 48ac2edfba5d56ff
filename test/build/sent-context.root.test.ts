import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

let daemon: TestDaemon;
const cacheFolder = mkdtempSync(join(tmpdir(), "gantry-client-cache-"));
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(cacheFolder, { recursive: true, force: true });
}, 60_000);

/** Build with the own client through a proxy that counts what the client sends. */
async function build(
  path: string,
  ...args: string[]
): Promise<{ sentBytes: number; id: string; stderr: string }> {
  const socket = join(cacheFolder, "counted.sock");
  let sentBytes = 0;
  const server = createServer((client) => {
    const upstream = connect(daemon.host.slice("unix://".length));
    client.on("data", (chunk: Buffer) => {
      sentBytes += chunk.length;
    });
    for (const end of [client, upstream])
      end.on("error", () => [client, upstream].map((one) => one.destroy()));
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    const env = { XDG_CACHE_HOME: cacheFolder };
    const finished = await daemon.gantry(
      { env },
      "-H",
      `unix://${socket}`,
      "build",
      "-q",
      "-t",
      "it",
      ...args,
      path,
    );
    return { sentBytes, id: finished.stdout.trim(), stderr: finished.stderr };
  } finally {
    server.close();
  }
}

/** What a command in the image that was built says. */
const inIt = async (script: string) => (await daemon.gantry("run", "--rm", "it", "sh", "-c", script)).stdout;

const old = (path: string) => utimesSync(path, 1_000_000_000, 1_000_000_000);

describe("a context of the own client", () => {
  test("is sent once, and then what changed of it", async () => {
    const size = 3_000_000;
    using context = contextOf({
      Dockerfile: "FROM busybox\nCOPY . /all/",
      large: Buffer.alloc(size, "large"),
      "more/other": Buffer.alloc(size, "other"),
      small: "one",
    });
    expect((await build(context.path)).sentBytes).toBeGreaterThan(2 * size);
    expect((await build(context.path)).sentBytes).toBeLessThan(10_000);
    writeFileSync(join(context.path, "more/other"), Buffer.alloc(size, "changed"));
    const { sentBytes } = await build(context.path);
    expect(sentBytes).toBeGreaterThan(size);
    expect(sentBytes).toBeLessThan(size + 10_000);
    const read = await daemon.docker("run", "--rm", "it", "head", "-c", "7", "/all/more/other");
    expect(read.stdout).toBe("changed");
    // What of a name, a mode or a time is new is no new content.
    chmodSync(join(context.path, "large"), 0o600);
    old(join(context.path, "more/other"));
    rmSync(join(context.path, "small"));
    expect((await build(context.path)).sentBytes).toBeLessThan(10_000);
    const listed = await daemon.docker(
      "run",
      "--rm",
      "it",
      "stat",
      "-c",
      "%n %a %Y",
      "/all/large",
      "/all/more/other",
    );
    expect(listed.stdout).toContain("/all/large 600 ");
    expect(listed.stdout).toContain("/all/more/other 644 1000000000\n");
  });

  test("is what a tar of it is, to the last attribute", async () => {
    using context = contextOf({
      Dockerfile: "FROM busybox\nCOPY . /all/",
      ".dockerignore": "ignored\n!ignored/wanted\nempty\n!empty/none\n",
      same: "content",
      again: "content",
      "ignored/wanted": "w",
      "ignored/not": "n",
      "empty/not": "n",
      "folder/": "",
      "na\u00efve name": "n",
      none: "",
    });
    linkSync(join(context.path, "same"), join(context.path, "linked"));
    symlinkSync("/etc/passwd", join(context.path, "link"));
    for (const name of ["same", "again"]) old(join(context.path, name));
    chmodSync(join(context.path, "folder"), 0o1777);
    chmodSync(join(context.path, "none"), 0o4711);
    const args = ["--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1600000000"];
    const { id, stderr } = await build(context.path, ...args);
    expect(stderr).toBe("");
    const { stdout } = await daemon.docker(
      { env: { DOCKER_BUILDKIT: "0" } },
      "build",
      "-q",
      ...args,
      context.path,
    );
    const diff = await daemon.gantry("image", "diff", id, stdout.trim());
    expect(diff.stdout).toBe("");
    expect(id).toBe(stdout.trim());
    const listed = await daemon.docker(
      "run",
      "--rm",
      "it",
      "find",
      "/all/ignored",
      "/all/empty",
      "/all/same",
      "/all/again",
      "-type",
      "f",
      "-links",
      "1",
    );
    expect(listed.stdout).toBe("/all/ignored/wanted\n/all/again\n");
  });

  test("is kept as part of the cache, which is pruned", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nCOPY f /", f: Buffer.alloc(100_000, "f") });
    await build(context.path);
    const listed = await daemon.gantry("builder", "du", "--format", "{{.Type}} {{.Description}}");
    expect(listed.stdout).toContain("source.local files of the build context");
    await daemon.kill9();
    await daemon.restart();
    await daemon.gantry("builder", "prune", "-af");
    expect(readdirSync(join(daemon.folder, "data/build/files"))).toEqual([]);
    expect((await build(context.path)).sentBytes).toBeGreaterThan(100_000);
  });

  test.each([
    ['["f","../x",420,0,1,"HEX"]', "invalid path"],
    ['["h","a","../../x"]', "is a link of no file"],
    ['["l","a",0,"/etc"]\n["f","a/x",420,0,1,"HEX"]', "invalid path"],
    ['["f","a",420,0,1,"HEX"]\n["f","a",420,0,1,"HEX"]', "invalid path"],
    ['["f","/etc/x",420,0,1,"HEX"]', "invalid path"],
    ['["f","a",420,0,1,"../../x"]', "invalid list"],
    ['["x","a"]', "invalid list"],
    ["{", "invalid list"],
  ])("%s is refused", async (list, words) => {
    const body = list.replaceAll("HEX", "0".repeat(64));
    const { status, body: answer } = await daemon.api("POST", "/build/context?session=s&name=n", body);
    expect(answer).toContain(words);
    expect(status).toBe(400);
    expect(
      readdirSync(join(daemon.folder, "data/build")).filter((name) => name.startsWith("context-")),
    ).toEqual([]);
  });

  test("of which a file is not what was told is refused", async () => {
    const digest = "0".repeat(64);
    const told = await daemon.api(
      "POST",
      "/build/context?session=s&name=n",
      `["f","Dockerfile",420,0,5,"${digest}"]`,
    );
    expect(JSON.parse(told.body)).toEqual({ Missing: [digest] });
    const folder = mkdtempSync(join(tmpdir(), "gantry-tar-"));
    writeFileSync(join(folder, digest), "FROM busybox");
    const tar = execFileSync("tar", ["-C", folder, "-c", digest]);
    rmSync(folder, { recursive: true });
    const answer = await fetch("http://localhost/build?session=s&context=sent", {
      unix: daemon.host.slice("unix://".length),
      method: "POST",
      body: tar,
    });
    expect(await answer.text()).toContain("changed while it was sent");
    expect(statSync(join(daemon.folder, "data/build/files")).isDirectory()).toBe(true);
    expect(
      readdirSync(join(daemon.folder, "data/build/files")).filter((name) => name.startsWith("part-")),
    ).toEqual([]);
  });
});

test("holes of files stay holes, in a context, in a step, in a copy; a context may come compressed", async () => {
  using context = contextOf({
    Dockerfile:
      "FROM busybox\nRUN truncate -s 100M /made && echo end >>/made\nFROM busybox\nCOPY sent /\nCOPY --from=0 /made /\nRUN stat -c '%n %s %b' /sent /made >/seen && tail -c 4 /made >>/seen",
    sent: "",
  });
  truncateSync(join(context.path, "sent"), 100 << 20);
  for (const more of [[], ["--compress", "--isolation", "default", "--no-cache"]]) {
    const { exitCode, stderr } = await daemon.gantry("build", ...more, "-t", "it", context.path);
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
    const [sent = "", made = "", end] = (await inIt("cat /seen")).split("\n");
    expect([sent.split(" ")[1], made.split(" ")[1], end]).toEqual(["104857600", "104857604", "end"]);
    for (const line of [sent, made]) expect(Number(line.split(" ")[2])).toBeLessThan(64);
  }
  const refused = await daemon.gantry("build", "--isolation", "hyperv", context.path);
  expect([refused.exitCode, refused.stderr]).toEqual([
    1,
    expect.stringContaining("unsupported isolation: hyperv"),
  ]);
}, 60_000);

test("folders by names are copied from, mounted and built from, and are in the cache by their content", async () => {
  using lib = contextOf({ "d/f": "of lib\n", kept: "1", left: "2", ".dockerignore": "left" });
  using context = contextOf({
    Dockerfile:
      "FROM busybox AS first\nCOPY --from=lib d/f /copied\nRUN --mount=from=lib,target=/m ls /m >/listed\nFROM lib AS whole\nFROM first\nCOPY --from=whole /kept /\nRUN cat /copied /listed",
  });
  const build = (...named: string[]) =>
    daemon.gantry(
      ...["build", "--progress", "plain", "-t", "it", ...named.flatMap((one) => ["--build-context", one])],
      context.path,
    );
  const first = await build(`lib=${lib.path}`);
  expect([first.exitCode, first.stderr]).toEqual([0, expect.stringContaining("load build context lib")]);
  expect(await inIt("cat /copied /listed /kept")).toBe("of lib\nd\nkept\n1");
  expect((await build(`lib=${lib.path}`)).stderr.match(/^#\d+ CACHED/gm)).toHaveLength(5);
  writeFileSync(join(lib.path, "d/f"), "changed\n");
  expect((await build(`lib=${lib.path}`)).stderr).toMatch(/^#\d+ [\d.]+ changed$/m);
  // In the place of a stage, too.
  expect((await build(`lib=${lib.path}`, `first=docker-image://busybox`)).exitCode).not.toBe(0);
  expect((await build("lib=oci-layout:///x")).stderr).toContain("load the layout");
  expect((await build("lib=/no/such")).stderr).toContain("/no/such is no folder");
  expect(
    (await daemon.gantry("build", "--check", "--build-context", `lib=${lib.path}`, context.path)).exitCode,
  ).toBe(0);
}, 60_000);
