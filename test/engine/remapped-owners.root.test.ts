import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createTestUser,
  refuseIdmaps,
  runProgram,
  startDaemon,
  succeed,
  type TestDaemon,
  type TestUser,
} from "../harness/index.ts";

let user: TestUser;
let daemon: TestDaemon;
beforeAll(async () => {
  user = createTestUser();
  daemon = await startDaemon(["--userns-remap", user.name]);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  user[Symbol.dispose]();
}, 60_000);

const docker = async (...args: string[]) => (await succeed(daemon, ...args)).trim();
const sh = (script: string, ...flags: string[]) =>
  docker("run", "--rm", ...flags, "busybox", "sh", "-c", script);
const ownersOf = (file: string) => [lstatSync(file).uid, lstatSync(file).gid];

describe("with --userns-remap, a container", () => {
  test("makes files on a bind mount that are its subordinate's outside", async () => {
    const folder = join(daemon.folder, "shared");
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    await sh("touch /f/root; touch /f/web; chown 33:34 /f/web", "-v", `${folder}:/f`);
    expect(ownersOf(join(folder, "root"))).toEqual([user.subuid, user.subgid]);
    expect(ownersOf(join(folder, "web"))).toEqual([user.subuid + 33, user.subgid + 34]);
  }, 30_000);

  test("is the owner of a bind mount by idmap=match-user", async () => {
    const folder = join(daemon.folder, "matched");
    mkdirSync(folder);
    execFileSync("chown", ["4321:4322", folder]);
    const run = await daemon.gantry(
      ..."run --rm -u 5:6".split(" "),
      "--mount",
      `type=bind,src=${folder},dst=/f,bind-idmap=match-user`,
      ..."busybox sh -c".split(" "),
      "stat -c %u:%g /f; touch /f/mine",
    );
    expect(run).toMatchObject({ exitCode: 0, stdout: "5:6\n" });
    expect(ownersOf(join(folder, "mine"))).toEqual([4321, 4322]);
  }, 30_000);

  test("shares a volume with containers of the host's user namespace", async () => {
    await sh("touch /v/mapped; chown 5:6 /v/mapped", "-v", "both:/v");
    expect(await sh("stat -c %u:%g /v /v/mapped; touch /v/host", "-v", "both:/v", "--userns=host")).toBe(
      "0:0\n5:6",
    );
    expect(await sh("stat -c %u:%g /v/host", "-v", "both:/v")).toBe("0:0");
    expect(await sh("stat -c %u /usr/bin", "-v", "filled:/usr")).toBe("0");
    await docker("volume", "rm", "both", "filled");
  }, 30_000);

  test("keeps owners as they are inside in cp, diff, commit, export and an image mount", async () => {
    await docker("run", "-d", "--name", "files", "-v", "kept:/v", "busybox", "sleep", "1000");
    const file = join(daemon.folder, "owned");
    writeFileSync(file, "x");
    execFileSync("chown", ["33:34", file]);
    await docker("cp", file, "files:/running");
    await docker("cp", file, "files:/v/running");
    await docker("exec", "files", "sh", "-c", "touch /made; chown 7:8 /made");
    await docker("stop", "-t", "0", "files");
    await docker("cp", file, "files:/stopped");
    expect((await docker("diff", "files")).split("\n")).toEqual([
      "A /made",
      "A /running",
      "A /stopped",
      "A /v",
    ]);
    for (const where of ["running", "stopped"]) {
      if (where === "running") await docker("start", "files");
      else await docker("stop", "-t", "0", "files");
      const tar = await runProgram("sh", ["-c", "docker cp -a files:/made - | tar tvf -"], {
        env: { DOCKER_HOST: daemon.host },
      });
      expect(tar.stdout).toContain(" 7/8 ");
    }
    await docker("commit", "files", "committed");
    const all = ["/made", "/running", "/stopped"];
    const owners = "7:8\n33:34\n33:34";
    expect(await docker("run", "--rm", "committed", "stat", "-c", "%u:%g", ...all)).toBe(owners);
    expect(await docker("run", "--rm", "--userns=host", "committed", "stat", "-c", "%u:%g", ...all)).toBe(
      owners,
    );
    const mounted = ["--mount", "type=image,src=committed,dst=/i"];
    expect(await sh("stat -c %u:%g /i/made /i/bin", ...mounted)).toBe("7:8\n0:0");
    const exported = await runProgram(
      "sh",
      ["-c", "docker export files | tar tvf - | grep -E ' (made|stopped)$'"],
      {
        env: { DOCKER_HOST: daemon.host },
      },
    );
    expect(exported.stdout.match(/\d+\/\d+/g)).toEqual(["7/8", "33/34"]);
    await docker("rm", "-f", "-v", "files");
    await docker("rmi", "committed");
  }, 60_000);

  test("runs a build's steps, whose layers have the owners of the inside", async () => {
    const folder = join(daemon.folder, "build");
    mkdirSync(folder);
    writeFileSync(join(folder, "f"), "x");
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox
RUN cat /proc/self/uid_map > /map && touch /ran && chown 9:10 /ran
COPY --chown=3:4 f /copied
RUN --mount=type=cache,target=/c touch /c/kept && rm -r /usr/sbin && mkdir /usr/sbin && stat -c %u:%g /c /copied > /seen
`,
    );
    await docker("build", "-q", "-t", "built", folder);
    const shown = await docker(
      "run",
      "--rm",
      "built",
      "sh",
      "-c",
      "stat -c %u:%g /ran /copied; cat /seen /map; ls /usr/sbin",
    );
    const [ran, copied, cache, seen, map = ""] = shown.split("\n");
    expect([ran, copied, cache, seen]).toEqual(["9:10", "3:4", "0:0", "3:4"]);
    expect(map.trim().split(/\s+/)).toEqual(["0", String(user.subuid), "65536"]);
    await docker("rmi", "built");
  }, 60_000);
});

test("where there are no idmapped mounts, owners are the host's on the disk, in a root apart", async () => {
  const place = mkdtempSync(join(tmpdir(), "gantry-owners-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(place, { recursive: true }));
  await refuseIdmaps(place);
  cleanup.defer(() => void execFileSync("umount", [place]));
  const options = ["--data-root", place, "--userns-remap", user.name];
  const other = cleanup.use(await startDaemon(options));
  const ask = async (...args: string[]) => (await succeed(other, ...args)).trim();
  const root = join(place, `${user.subuid}.${user.subgid}`);
  expect(await ask("info", "-f", "{{.DockerRootDir}}")).toBe(root);
  expect(readFileSync(other.logFile, "utf8")).toContain("has no idmapped mounts (mount_setattr");

  const context = join(other.folder, "context");
  mkdirSync(context);
  writeFileSync(join(context, "private"), "mine", { mode: 0o600 });
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM busybox
COPY --chown=3:4 private /copied
RUN --mount=type=bind,target=/context --mount=type=secret,id=s --mount=type=cache,target=/cache \
  cat /context/private /run/secrets/s > /seen && touch /cache/x && stat -c %u:%g /cache /context/private /run/secrets/s >> /seen && \
  chown 9:10 /seen && chmod 4755 /copied && rm -r /usr/sbin && mkdir /usr/sbin
`,
  );
  const secret = `id=s,src=${join(context, "private")}`;
  expect(await other.gantry("build", "-q", "-t", "built", "--secret", secret, context)).toMatchObject({
    exitCode: 0,
  });
  const shown = [
    "cat /seen",
    "stat -c %u:%g:%a / /etc /seen /copied /etc/hosts /v",
    "touch /v/file /own",
    "ls /usr/sbin",
  ];
  const seen = await ask("run", "--name", "mine", "-v", "data:/v", "built", "sh", "-c", shown.join(";"));
  expect(seen.split("\n")).toEqual([
    ...["minemine0:0", "0:0", "0:0"],
    ...["0:0:755", "0:0:755", "9:10:644", "3:4:4755", "0:0:644", "0:0:755"],
  ]);
  expect(ownersOf(join(root, "volumes/data/_data/file"))).toEqual([user.subuid, user.subgid]);

  // What leaves the engine has the container's owners, and what comes in again as well.
  const file = join(other.folder, "owned");
  writeFileSync(file, "x");
  execFileSync("chown", ["33:34", file]);
  await ask("cp", file, "mine:/put");
  await ask("commit", "mine", "committed");
  const tar = join(other.folder, "image.tar");
  await ask("save", "-o", tar, "committed");
  await ask("rmi", "committed");
  await ask("load", "-i", tar);
  const owners = ["stat", "-c", "%u:%g", "/put", "/own", "/seen", "/copied"];
  expect(await ask("run", "--rm", "committed", ...owners)).toBe("33:34\n0:0\n9:10\n3:4");
  await ask("rm", "mine");
  expect(await ask("diff", await ask("create", "--name", "later", "committed"))).toBe("");

  await other.stop();
  await other.restart(["--data-root", place]);
  expect(await ask("ps", "-aq")).toBe("");
  expect(await ask("run", "--rm", "busybox", "stat", "-c", "%u:%g", "/bin/busybox", "/etc")).toBe("0:0\n0:0");
  await other.stop();
  await other.restart();
  expect(await ask("ps", "-aq", "--no-trunc", "-f", "name=later")).not.toBe("");
}, 60_000);
