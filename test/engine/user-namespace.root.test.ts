import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createTestUser,
  GANTRY,
  installCrun,
  refuseIdmaps,
  runProgram,
  startDaemon,
  type TestDaemon,
  TestMachine,
  type TestUser,
} from "../harness/index.ts";

let user: TestUser;
let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  user = createTestUser();
  folder = mkdtempSync(join(tmpdir(), "gantry-crun-"));
  daemon = await startDaemon(["--userns-remap", user.name, "--add-runtime", `crun=${installCrun(folder)}`]);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  user[Symbol.dispose]();
  rmSync(folder, { recursive: true });
}, 60_000);

const docker = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await daemon.docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
};
const refusalOf = async (...args: string[]) => (await daemon.docker(...args)).stderr.split("\n")[0] ?? "";
const sh = (script: string, ...flags: string[]) =>
  docker("run", "--rm", ...flags, "busybox", "sh", "-c", script);
const ownersOf = (file: string) => [lstatSync(file).uid, lstatSync(file).gid];

/** A container that stays, and its first process. */
async function resident(name: string, ...flags: string[]): Promise<string> {
  await docker("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
  return docker("inspect", "-f", "{{.State.Pid}}", name);
}

describe("a container of a daemon with --userns-remap", () => {
  test("is root in a user namespace and the user's subordinate outside", async () => {
    const pid = await resident("ids");
    const line = (size: number) => ["0", String(size), "65536"];
    const mapOf = (kind: string) => readFileSync(`/proc/${pid}/${kind}_map`, "utf8").trim().split(/\s+/);
    expect(mapOf("uid")).toEqual(line(user.subuid));
    expect(mapOf("gid")).toEqual(line(user.subgid));
    expect(ownersOf(`/proc/${pid}`)).toEqual([user.subuid, user.subgid]);
    expect(readlinkSync(`/proc/${pid}/ns/user`)).not.toBe(readlinkSync("/proc/self/ns/user"));
    expect(await docker("exec", "ids", "id", "-u")).toBe("0");
    expect(await docker("exec", "-u", "7:8", "ids", "sh", "-c", "id -u; id -g")).toBe("7\n8");
    await docker("rm", "-f", "ids");
  }, 30_000);

  test("owns its files, devices and stdio as root", async () => {
    const script =
      "touch /own; stat -c %u:%g /own /bin/busybox /etc/hosts /etc/resolv.conf /dev/null /dev/zero /dev/shm; " +
      "echo again > /dev/stdout; head -c1 /dev/zero | wc -c; : > /dev/null; : >> /etc/hosts";
    expect((await sh(script)).split("\n")).toEqual([...Array(7).fill("0:0"), "again", "1"]);
  }, 30_000);

  test("has the rights of root in there, and none over the host", async () => {
    expect(await sh("mkdir /m; mount -t tmpfs none /m && echo mounted", "--cap-add=SYS_ADMIN")).toBe(
      "mounted",
    );
    expect(await sh("cat /proc/sys/net/ipv4/ping_group_range")).toMatch(/^0\s+65535$/);
    expect(await sh("mknod /n c 1 3 2>&1 || true")).toContain("Operation not permitted");
    const folder = join(daemon.folder, "secret");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "mine", { mode: 0o600 });
    expect(await sh("cat /f/file 2>&1; touch /f/x 2>&1; true", "-v", `${folder}:/f`)).toBe(
      "cat: can't open '/f/file': Permission denied\ntouch: /f/x: Permission denied",
    );
  }, 30_000);

  test("has limits that only the engine may set", async () => {
    const flags = ["--oom-score-adj", "300", "--ulimit", "nofile=700:800", "--init"];
    expect(await sh("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn", ...flags)).toBe("300\n700\n800");
  }, 30_000);

  test("has a terminal, a read-only root, tmpfs, a working directory that was not there", async () => {
    const { stdout } = await daemon.inTerminal(
      { rows: 20, columns: 50 },
      ..."run --rm -it busybox sh -c".split(" "),
      "stty size; tty; stat -c %u /dev/console",
    );
    expect(stdout).toContain("20 50\r\n/dev/pts/0\r\n0\r\n");
    const flags = ["--read-only", "--tmpfs", "/usr/sbin", "-w", "/new", "--device", "/dev/zero:/dev/mine"];
    expect(await sh("pwd; stat -c %u /new /usr/sbin; stat -c %t:%T:%u /dev/mine", ...flags)).toBe(
      "/new\n0\n0\n1:5:0",
    );
  }, 30_000);

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
    await resident("files", "-v", "kept:/v");
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

  test("shares the user namespace of the container whose other namespaces it joins", async () => {
    const pid = await resident("donor", "--ipc", "shareable");
    const namespace = readlinkSync(`/proc/${pid}/ns/user`);
    await docker("exec", "donor", "touch", "/dev/shm/there");
    const joins = ["--network", "container:donor", "--pid", "container:donor", "--ipc", "container:donor"];
    expect(await sh("readlink -n /proc/self/ns/user; id -u; ls /dev/shm; stat -c %u /proc/1", ...joins)).toBe(
      `${namespace}0\nthere\n0`,
    );
    expect(await sh("ip -o -4 addr show eth0 | wc -l", "--network", "container:donor")).toBe("1");
    await resident("foreign", "--userns=host");
    expect(await refusalOf("run", "--rm", "--network", "container:foreign", "busybox", "true")).toContain(
      "its user namespace is another (hint: use --userns=host for both or for none)",
    );
    await docker("rm", "-f", "donor", "foreign");
  }, 30_000);

  test.each(["runc", "crun"])(
    "is made by %s as well, with the same owners and its own network",
    async (runtime) => {
      // The runtime's process is in the user namespace when it looks up its root.
      chmodSync(daemon.folder, 0o711);
      const script =
        "cat /proc/self/uid_map; touch /own /v/own; stat -c %u:%g /own /bin/busybox /etc/hosts /v /v/own /sys; " +
        "ip link set lo mtu 60000 && echo network; ip route | grep -c ^default; echo again > /dev/stdout";
      const flags = ["--runtime", runtime, "--init", "-v", `v-${runtime}:/v`, "--cap-add", "NET_ADMIN"];
      const [map = "", ...rest] = (await sh(script, ...flags)).split("\n");
      expect(map.trim().split(/\s+/)).toEqual(["0", String(user.subuid), "65536"]);
      expect(rest.join(" ")).toBe("0:0 0:0 0:0 0:0 0:0 65534:65534 network 1 again");
      await resident("foreign", "--runtime", runtime, "--ipc", "shareable");
      expect(await docker("exec", "foreign", "id", "-u")).toBe("0");
      const joins = [
        "--network",
        "container:foreign",
        "--ipc",
        "container:foreign",
        "--pid",
        "container:foreign",
      ];
      const seen =
        "readlink /proc/self/ns/user; touch /own; stat -c %u /own /proc/1; ip -o -4 addr show eth0 | wc -l";
      const [own, ...others] = (await sh(seen, "--runtime", runtime, ...joins)).split("\n");
      expect([own, ...others]).toEqual([
        await docker("exec", "foreign", "readlink", "/proc/self/ns/user"),
        "0",
        "0",
        "1",
      ]);
      await docker("rm", "-f", "foreign");
    },
    60_000,
  );

  test("keeps its user namespace over a restart of the daemon without the option", async () => {
    await resident("kept");
    await docker("exec", "kept", "touch", "/mine");
    await daemon.stop();
    await daemon.restart([]);
    expect(await docker("exec", "kept", "stat", "-c", "%u", "/mine")).toBe("0");
    await docker("restart", "-t", "0", "kept");
    expect(await docker("exec", "kept", "sh", "-c", "stat -c %u /mine; head -1 /proc/self/uid_map")).toMatch(
      new RegExp(`^0\\n\\s+0\\s+${user.subuid}`),
    );
    expect(await docker("info", "-f", "{{.SecurityOptions}}")).not.toContain("userns");
    await daemon.stop();
    await daemon.restart();
    await docker("rm", "-f", "kept");
  }, 60_000);
});

describe("--userns=host", () => {
  test("is the host's user namespace, with all that needs it", async () => {
    const own = readlinkSync("/proc/self/ns/user");
    for (const flags of [[], ["--privileged"], ["--network=host"], ["--pid=host"]])
      expect(await sh("readlink -n /proc/self/ns/user", "--userns=host", ...flags)).toBe(own);
  }, 30_000);

  test("is asked for by what would reach the host, in Docker's words", async () => {
    const refused = (...flags: string[]) => refusalOf("run", "--rm", ...flags, "busybox", "true");
    expect(await refused("--privileged")).toEndWith(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
    expect(await refused("--network=host")).toEndWith(
      "cannot share the host's network namespace when user namespaces are enabled",
    );
    expect(await refused("--pid=host")).toEndWith(
      "cannot share the host PID namespace when user namespaces are enabled",
    );
    expect(await sh("echo fine", "--ipc=host")).toBe("fine");
    expect(await docker("info", "-f", "{{.SecurityOptions}}")).toContain("name=userns");
    expect(await docker("ps", "-aq")).toBe("");
  }, 30_000);
});

test("where there are no idmapped mounts, owners are the host's on the disk, in a root apart", async () => {
  const place = mkdtempSync(join(tmpdir(), "gantry-owners-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(place, { recursive: true }));
  await refuseIdmaps(place);
  cleanup.defer(() => void execFileSync("umount", [place]));
  const options = ["--data-root", place, "--userns-remap", user.name];
  const other = cleanup.use(await startDaemon(options));
  const ask = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await other.docker(...args);
    if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
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

test("the user of --userns-remap default is made with the next free ids, once", async () => {
  // A machine whose /etc is its own: users and ranges that are made stay in it, and locks of the true one do not count.
  await using machine = await TestMachine.start(`
    mount -n -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work
    for lock in passwd group shadow gshadow subuid subgid; do mknod /mnt/upper/$lock.lock c 0 0; done
    mount -n -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    printf 'first:100000:65536\\nsecond:300000:70000\\n' > /etc/subuid
    printf 'first:100000:65536\\n' > /etc/subgid`);
  await using other = await startDaemon(["--userns-remap", "default"], machine);
  const passwd = await machine.sh("getent passwd dockremap; getent group dockremap");
  expect(passwd).toMatch(/^dockremap:x:\d+:\d+:.*:\/bin\/false\ndockremap:x:\d+:$/);
  const ranges = "grep dockremap /etc/subuid /etc/subgid";
  const made = "/etc/subuid:dockremap:370000:65536\n/etc/subgid:dockremap:165536:65536";
  expect(await machine.sh(ranges)).toBe(made);
  const maps = ["run", "--rm", "busybox", "cat", "/proc/self/uid_map", "/proc/self/gid_map"];
  expect((await other.docker(...maps)).stdout.trim().split(/\s+/)).toEqual([
    "0",
    "370000",
    "65536",
    "0",
    "165536",
    "65536",
  ]);
  await other.stop();
  await other.restart();
  expect(await machine.sh(ranges)).toBe(made);
  expect(readFileSync("/etc/passwd", "utf8")).not.toContain("dockremap");
}, 60_000);

test("a daemon whose user has no subordinate ids does not start", async () => {
  using poor = createTestUser({ withoutRanges: true });
  const [program = "", ...own] = GANTRY;
  const place = ["--data-root", join(daemon.folder, "none"), "--exec-root", join(daemon.folder, "none-run")];
  const start = (words: string) =>
    runProgram(program, [
      ...own,
      "daemon",
      ...place,
      "-H",
      `unix://${daemon.folder}/n.sock`,
      "--userns-remap",
      words,
    ]);
  expect(await start(poor.name)).toMatchObject({
    exitCode: 125,
    stderr: `gantry daemon: can't create ID mappings: no subuid ranges found for user "${poor.name}" in /etc/subuid\n`,
  });
  expect((await start("nobody-of-that-name")).stderr).toContain('user "nobody-of-that-name" does not exist');
  expect((await start("a:b:c")).stderr).toContain("must be default, USER, USER:GROUP, UID or UID:GID");
}, 30_000);
