import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
async function gantry(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.gantry(...args);
  if (exitCode !== 0) throw new Error(`gantry ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
const refusal = async (...args: string[]) => (await daemon.docker(...args)).stderr.trim();
const run = (mounts: string[], script: string) =>
  docker("run", "--rm", ...mounts, "busybox", "sh", "-c", script);

/** Older clients of Docker do not know the words for a path in a volume or an image. */
const runByGantry = (mounts: string[], script: string) =>
  gantry("run", "--rm", ...mounts, "busybox", "sh", "-c", script);
const refusalOfMount = async (mounts: string[]) =>
  (await daemon.gantry("run", "--rm", ...mounts, "busybox", "true")).stderr;

test("volumes are made, listed, inspected, refused while in use, removed and pruned", async () => {
  expect(await docker("volume", "create", "--label", "tier=db", "data")).toBe("data");
  expect(await docker("volume", "create", "data")).toBe("data");
  expect(await docker("volume", "ls", "-q", "--filter", "label=tier=db")).toBe("data");
  expect(await docker("volume", "inspect", "-f", "{{.Driver}} {{.Labels.tier}}", "data")).toBe("local db");
  expect(await refusal("volume", "create", "b@d")).toContain(
    "includes invalid characters for a local volume name",
  );
  expect(await refusal("volume", "create", "-d", "nope", "x1")).toContain('plugin "nope" not found');
  expect(await refusal("volume", "create", "-o", "colour=red", "x1")).toContain('invalid option: "colour"');
  const id = await docker("create", "-v", "data:/data", "-v", "/anonymous", "busybox", "true");
  expect(await refusal("volume", "rm", "data")).toContain(`remove data: volume is in use - [${id}]`);
  expect(await docker("volume", "ls", "-q", "--filter", "dangling=true")).toBe("");
  await docker("rm", id);
  const left = (await docker("volume", "ls", "-q", "--filter", "dangling=true")).split("\n");
  expect(left).toHaveLength(2);
  // Before version 1.42 of the API named ones were among what nobody needs.
  const prune = async (version: string): Promise<string[]> =>
    JSON.parse((await daemon.api("POST", `/v${version}/volumes/prune`)).body).VolumesDeleted;
  expect(await prune("1.42")).toEqual(left.filter((name) => name !== "data"));
  expect(await docker("volume", "ls", "-q")).toBe("data");
  expect(await prune("1.41")).toEqual(["data"]);
  expect(await docker("volume", "prune", "-f")).toContain("Total reclaimed space");
  expect(await refusal("volume", "inspect", "data")).toMatch(/no such volume/i);
  expect(await docker("volume", "rm", "-f", "data")).toBe("data");
});

test("what is left of a volume that could not be removed is not the next one's content", async () => {
  await docker("volume", "create", "leftover");
  await run(["-v", "leftover:/data"], "echo secret > /data/file");
  const file = join(daemon.folder, "data/volumes/leftover/_data/file");
  execFileSync("chattr", ["+i", file]);
  try {
    expect(await refusal("volume", "rm", "leftover")).toContain("leftover");
    expect(await docker("volume", "ls", "-q", "--filter", "name=leftover")).toBe("");
    expect(await refusal("volume", "create", "leftover")).toContain("leftover");
    // Nor does it keep a daemon from starting.
    await daemon.stop();
    await daemon.start();
    expect(await refusal("volume", "create", "leftover")).toContain("leftover");
  } finally {
    execFileSync("chattr", ["-i", file]);
  }
  await docker("volume", "create", "leftover");
  expect(await run(["-v", "leftover:/data"], "ls /data")).toBe("");
  await docker("volume", "rm", "leftover");
});

test("two containers that use a new volume at the same time get one, filled once", async () => {
  const uses = Array.from({ length: 6 }, () =>
    run(["-v", "shared:/etc"], "ls /etc/passwd; echo x >> /etc/count"),
  );
  expect(new Set(await Promise.all(uses))).toEqual(new Set(["/etc/passwd"]));
  expect(await run(["-v", "shared:/v"], "wc -l < /v/count")).toBe("6");
  await docker("volume", "rm", "shared");
});

test("a new volume is filled with owners, modes and hard links of the image", async () => {
  const files = "mkdir /d; echo x > /d/a; ln /d/a /d/b; chown 5:6 /d/a; chmod 640 /d/a";
  await docker("run", "--name", "whole", "busybox", "sh", "-c", files);
  await docker("commit", "whole", "whole");
  const look = ["sh", "-c", "stat -c '%u:%g %a %h' /d/b; cat /d/b"];
  expect(await docker("run", "--rm", "-v", "filled:/d", "whole", ...look)).toBe("5:6 640 2\nx");
  await docker("rm", "whole");
  await docker("rmi", "whole");
  await docker("volume", "rm", "filled");
});

test("a size that nothing would hold a volume to is refused", async () => {
  const { exitCode, stderr } = await daemon.docker("volume", "create", "-o", "size=10m", "sized");
  expect(exitCode).toBe(1);
  // The folders of tests lie where nobody has switched project quotas on.
  expect(stderr).toContain(`the file system of ${join(daemon.folder, "data")}`);
  const mount = ["-o", "type=ext4", "-o", "device=/dev/null", "-o", "size=10m"];
  expect(await refusal("volume", "create", ...mount, "sized")).toContain("of the type ext4");
  expect(await docker("volume", "create", "-o", "size=0", "sized")).toBe("sized");
  await docker("volume", "rm", "sized");
});

test("options mount what they say while a container runs, and no longer", async () => {
  const folder = join(daemon.folder, "host");
  mkdirSync(folder);
  writeFileSync(join(folder, "file"), "of the host\n");
  await docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${folder}`, "bound");
  await docker(
    "volume",
    "create",
    "-o",
    "type=tmpfs",
    "-o",
    "device=tmpfs",
    "-o",
    "o=size=1m,uid=7",
    "memory",
  );
  await docker(
    "volume",
    "create",
    "-o",
    "type=none",
    "-o",
    "o=bind",
    "-o",
    "device=/nowhere/at/all",
    "broken",
  );
  expect(await run(["-v", "bound:/v"], "cat /v/file; echo more > /v/other")).toBe("of the host");
  expect(readFileSync(join(folder, "other"), "utf8")).toBe("more\n");
  expect(
    await run(["-v", "memory:/v"], "stat -c %u /v; df -k /v | tail -1 | awk '{print $2}'; touch /v/kept"),
  ).toBe("7\n1024");
  expect(await run(["-v", "memory:/v"], "ls /v")).toBe("");
  expect(await refusal("run", "--rm", "-v", "broken:/v", "busybox", "true")).toContain(
    "failed to mount local volume",
  );
  const keeper = await docker("run", "-d", "-v", "memory:/v", "busybox", "sleep", "1000");
  await docker("exec", keeper, "touch", "/v/one");
  await daemon.kill9();
  await daemon.restart();
  expect(await run(["-v", "memory:/v"], "ls /v")).toBe("one");
  await docker("rm", "-f", keeper);
  expect(await run(["-v", "memory:/v"], "ls /v")).toBe("");
  await docker("volume", "rm", "bound", "memory", "broken");
});

test("a server of NFS that is named is looked up, and the kernel gets the options as they are", async () => {
  // Nobody serves there; and not every kernel has these file systems.
  for (const [type, o] of [
    ["nfs", "addr=localhost,nfsvers=4,soft,retrans=1,timeo=5,port=9"],
    ["cifs", "addr=localhost,username=somebody,password=secret,port=9"],
  ] as const) {
    await docker("volume", "create", "-o", `type=${type}`, "-o", `o=${o}`, "-o", "device=:/export", "remote");
    const told = await refusal("run", "--rm", "-v", "remote:/v", "busybox", "true");
    const data = o.replace("localhost", "127.0.0.1").replace("secret", "********");
    expect(told).toContain(`failed to mount local volume: mount :/export:`);
    expect(told).toContain(`data: ${data}: `);
    expect(told).toMatch(/unknown filesystem type|refused|wrong fs type|failed/);
    await docker("volume", "rm", "remote");
  }
});

test("a new volume gets the image's files with their extended attributes", async () => {
  const folder = mkdtempSync(join(daemon.folder, "attributed-"));
  const [note, capability] = [
    "user.note=of the image",
    "security.capability=\x01\0\0\x02\0\x04".padEnd(40, "\0"),
  ];
  const pax = Object.fromEntries([note, capability].map((one) => `SCHILY.xattr.${one}`.split("=")));
  const archive = pack();
  archive.entry({ name: "data/", type: "directory", pax: { "SCHILY.xattr.user.note": "of the folder" } });
  archive.entry({ name: "data/program", mode: 0o755, pax }, "content");
  archive.finalize();
  writeFileSync(join(folder, "data.tar"), await buffer(archive));
  writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nADD data.tar /\n");
  const { exitCode, stderr } = await daemon.gantry("build", "-q", "-t", "attributed", folder);
  expect([exitCode, stderr]).toEqual([0, ""]);
  await docker("run", "--rm", "-v", "copied:/data", "attributed", "true");
  const mountpoint = await docker("volume", "inspect", "-f", "{{.Mountpoint}}", "copied");
  const read = ["-cf", "-", "--format=pax", "--xattrs", "--xattrs-include=*", "-C", mountpoint, "."];
  const copied = execFileSync("tar", read);
  for (const attribute of [note, capability, "user.note=of the folder"])
    expect(copied.includes(`SCHILY.xattr.${attribute}\n`, 0, "latin1")).toBe(true);
  await docker("volume", "rm", "copied");
});

test("a path in a volume is mounted, and no link in it leads out", async () => {
  await run(
    ["-v", "tree:/v"],
    "mkdir -p /v/a/b; echo deep > /v/a/b/file; ln -s /etc /v/out; ln -s a/b /v/in",
  );
  const sub = (path: string) => ["--mount", `type=volume,src=tree,dst=/m,volume-subpath=${path}`];
  expect(await runByGantry(sub("a/b"), "cat /m/file")).toBe("deep");
  expect(await runByGantry(sub("in"), "cat /m/file")).toBe("deep");
  // "/etc" is taken from the volume's own root, where there is none.
  expect(await refusalOfMount(sub("out"))).toContain("path in the source out");
  expect(await refusalOfMount(sub("../x"))).toContain("must be a relative path");
  expect(await refusalOfMount(sub("missing"))).toContain("no such file or directory");
  await docker("volume", "rm", "tree");
});

test("an image is mounted read-only, and stays while a container has it", async () => {
  const mount = ["--mount", "type=image,source=busybox,target=/image"];
  expect(await run(mount, "/image/bin/busybox echo ran; touch /image/x 2>&1 | grep -c Read-only")).toBe(
    "ran\n1",
  );
});

test("a path in an image is mounted alone, and no link in it leads out", async () => {
  const sub = (image: string, path: string) => [
    "--mount",
    `type=image,source=${image},target=/m,image-subpath=${path}`,
  ];
  await docker(
    "run",
    "--name",
    "layered",
    "busybox",
    "sh",
    "-c",
    "mkdir -p /d/e; echo deep > /d/e/f; ln -s /etc /d/out",
  );
  await docker("commit", "layered", "layered");
  // One layer is bound, several are a union; a file is mounted as a file.
  expect(await runByGantry(sub("busybox", "bin"), "ls /m/busybox; ls /m | grep -c ^etc$ || true")).toBe(
    "/m/busybox\n0",
  );
  expect(await runByGantry(sub("layered", "d/e"), "cat /m/f; touch /m/x 2>&1 | grep -c Read-only")).toBe(
    "deep\n1",
  );
  expect(await runByGantry(sub("layered", "d/e/f"), "cat /m; grep -c ' /m ' /proc/self/mountinfo")).toBe(
    "deep\n1",
  );
  // "/etc" is the image's own.
  expect(await runByGantry(sub("layered", "d/out"), "ls -d /m/group")).toBe("/m/group");
  expect(await refusalOfMount(sub("layered", "d/missing"))).toContain("no such file or directory");
  expect(await refusalOfMount(sub("layered", "../d"))).toContain("must be a relative path within the image");
  await docker("rm", "layered");
  await docker("rmi", "layered");
});

test("owners of a bind change places with the container's user", async () => {
  const folder = join(daemon.folder, "owned");
  mkdirSync(folder);
  await run(["-v", `${folder}:/f`], "touch /f/old; chown -R 1234:1234 /f");
  const as = (user: string, script: string) =>
    gantry(
      "run",
      "--rm",
      "--user",
      user,
      "--mount",
      `type=bind,src=${folder},dst=/f,bind-idmap=match-user`,
      "busybox",
      "sh",
      "-c",
      script,
    );
  expect(await as("77:88", "stat -c %u:%g /f/old; touch /f/new; stat -c %u /f/new")).toBe("77:88\n77");
  expect(await run(["-v", `${folder}:/f`], "stat -c %u:%g /f/new")).toBe("1234:1234");
  expect(
    (
      await daemon.gantry(
        "run",
        "--rm",
        "--user",
        "daemon",
        "--mount",
        `type=bind,src=${folder},dst=/f,bind-idmap=match-user`,
        "busybox",
        "true",
      )
    ).stderr,
  ).toContain("needs the container's user as UID:GID");
});

test("a volume is exported while a container writes, imported, and cloned", async () => {
  await run(
    ["-v", "origin:/v"],
    "mkdir /v/d; echo one > /v/d/f; ln /v/d/f /v/hard; chown 5:6 /v/d/f; chmod 640 /v/d/f",
  );
  const writer = await docker(
    "run",
    "-d",
    "-v",
    "origin:/v",
    "busybox",
    "sh",
    "-c",
    "while :; do date >> /v/log; done",
  );
  const file = join(daemon.folder, "backup.tar");
  await gantry("volume", "export", "-o", file, "origin");
  await docker("rm", "-f", writer);
  await gantry("volume", "import", "copy", file);
  const look = "stat -c '%u:%g %a %h' /v/d/f; cat /v/hard";
  expect(await run(["-v", "copy:/v"], look)).toBe("5:6 640 2\none");
  expect(await gantry("volume", "clone", "copy", "twin")).toBe("twin");
  expect(await run(["-v", "twin:/v"], look)).toBe("5:6 640 2\none");
  expect((await daemon.gantry("volume", "clone", "copy", "twin")).stderr).toContain("exists already");
  expect((await daemon.gantry({ input: "no archive" }, "volume", "import", "copy", "-")).exitCode).toBe(1);
  expect(await gantry("volume", "ls", "--format", "{{.Name}}")).toBe("copy\norigin\ntwin");
  await gantry("volume", "rm", "copy", "origin", "twin");
});

test("events tell of volumes and of who mounts them", async () => {
  const since = String(Date.now() / 1000);
  await docker("volume", "create", "told");
  await run(["-v", "told:/v:ro"], "true");
  await docker("volume", "rm", "told");
  const until = String(Date.now() / 1000 + 0.001);
  const format = '{{.Action}} {{index .Actor.Attributes "read/write"}}';
  const told = await docker(
    "events",
    "--since",
    since,
    "--until",
    until,
    "--filter",
    "volume=told",
    "--format",
    format,
  );
  expect(told.split("\n").map((line) => line.trim())).toEqual([
    "create",
    "mount false",
    "unmount",
    "destroy",
  ]);
});
