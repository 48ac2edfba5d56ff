import { afterAll, beforeAll, describe, expect, test } from "bun:test";
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
  installCrun,
  startDaemon,
  succeed,
  type TestDaemon,
  type TestUser,
  untilSize,
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

const docker = async (...args: string[]) => (await succeed(daemon, ...args)).trim();
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
      `${untilSize(20, 50)}; stty size; tty; stat -c %u /dev/console`,
    );
    expect(stdout).toContain("20 50\r\n/dev/pts/0\r\n0\r\n");
    const flags = ["--read-only", "--tmpfs", "/usr/sbin", "-w", "/new", "--device", "/dev/zero:/dev/mine"];
    expect(await sh("pwd; stat -c %u /new /usr/sbin; stat -c %t:%T:%u /dev/mine", ...flags)).toBe(
      "/new\n0\n0\n1:5:0",
    );
  }, 30_000);

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
    expect(await refused("--privileged")).toContain(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
    expect(await refused("--network=host")).toContain(
      "cannot share the host's network namespace when user namespaces are enabled",
    );
    expect(await refused("--pid=host")).toContain(
      "cannot share the host PID namespace when user namespaces are enabled",
    );
    expect(await sh("echo fine", "--ipc=host")).toBe("fine");
    expect(await docker("info", "-f", "{{.SecurityOptions}}")).toContain("name=userns");
    expect(await docker("ps", "-aq")).toBe("");
  }, 30_000);
});
