import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { askPort, RootlessUser } from "../harness/index.ts";

let rootless: RootlessUser;
beforeAll(async () => {
  rootless = new RootlessUser();
  const first = await rootless.gantry("run", "--rm", "hello-world");
  expect(first).toMatchObject({ exitCode: 0, stderr: "gantry: starting the daemon\n" });
  expect(first.stdout).toContain("Hello from Gantry!");
}, 60_000);
afterAll(() => rootless[Symbol.asyncDispose](), 60_000);

const gantry = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await rootless.gantry(...args);
  if (exitCode !== 0) throw new Error(`gantry ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
};
const sh = (script: string, ...flags: string[]) =>
  gantry("run", "--rm", ...flags, "busybox", "sh", "-c", script);

/** A free port of the machine. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** The machine's own perl runs it, in a container. */
const ECHO_OF_DATAGRAMS =
  'use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => 80, Proto => "udp"); $s->send("hi\\n") while $s->recv($m, 99)';

describe("the engine of an ordinary user", () => {
  test("lives in his places and namespaces, and is nobody else's", async () => {
    const { user, runtime } = rootless;
    const socket = statSync(join(runtime, "gantry.sock"));
    expect([socket.uid, socket.mode & 0o777]).toEqual([user.uid, 0o600]);
    expect(existsSync(join(user.home, ".local/share/gantry/gantry.db"))).toBe(true);
    const daemon = rootless.processes("daemon --rootless").at(-1);
    expect(readlinkSync(`/proc/${daemon}/ns/user`)).not.toBe(readlinkSync("/proc/self/ns/user"));
    expect(lstatSync(`/proc/${daemon}`).uid).toBe(user.uid);
    expect(await gantry("info", "-f", "{{.SecurityOptions}} {{.CgroupDriver}}")).toMatch(
      /name=rootless.* none$/,
    );
  }, 30_000);

  test("gives a container root of its user, and other users of his subordinate ids", async () => {
    await gantry("run", "-d", "--name", "ids", "-u", "7:8", "busybox", "sleep", "1000");
    const pid = await gantry("inspect", "-f", "{{.State.Pid}}", "ids");
    expect(lstatSync(`/proc/${pid}`).uid).toBe(rootless.user.subuid + 6);
    expect(await gantry("exec", "-u", "0", "ids", "id", "-u")).toBe("0");
    expect((await gantry("top", "ids")).split("\n")).toHaveLength(2);
    expect(
      await sh(
        "touch /f; chown 5:6 /f; stat -c %u:%g /f; : > /dev/null; tty || true; ping -c1 -q 127.0.0.1 | grep -c ' 0% '",
      ),
    ).toBe("5:6\nnot a tty\n1");
    await gantry("rm", "-f", "ids");
  }, 30_000);

  test("keeps files of volumes and binds his", async () => {
    const shared = join(rootless.user.home, "shared");
    await rootless.run("mkdir", shared);
    await sh("touch /b/mine /v/kept; chown 33 /b/mine", "-v", `${shared}:/b`, "-v", "kept:/v");
    expect(lstatSync(join(shared, "mine")).uid).toBe(rootless.user.subuid + 32);
    expect(await sh("ls /v", "-v", "kept:/v")).toBe("kept");
    writeFileSync(join(rootless.folder, "secret"), "x", { mode: 0o600 });
    const { exitCode, stderr } = await rootless.gantry("volume", "create", "-o", "size=1m", "sized");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("this engine is in a user namespace")]);
    expect(await sh("cat /s 2>&1 || true", "-v", `${rootless.folder}/secret:/s`)).toContain(
      "Permission denied",
    );
  }, 30_000);

  test("builds, commits, copies, and hides what a layer removed", async () => {
    await rootless.run("mkdir", "-p", join(rootless.user.home, "build"));
    const file = join(rootless.user.home, "build/Dockerfile");
    writeFileSync(
      file,
      "FROM busybox\nRUN rm -r /usr/sbin && mkdir /usr/sbin && touch /r && chown 9:9 /r\nRUN rm /bin/vi || true\n",
    );
    await gantry("build", "-q", "-t", "built", join(rootless.user.home, "build"));
    expect(await gantry("run", "--rm", "built", "sh", "-c", "ls /usr/sbin; stat -c %u:%g /r")).toBe("9:9");
    await gantry(
      "run",
      "--name",
      "changed",
      "built",
      "sh",
      "-c",
      "rm -r /usr/bin; mkdir /usr/bin; rm /r; touch /new",
    );
    expect((await gantry("diff", "changed")).split("\n")).toContain("A /new");
    await gantry("cp", file, "changed:/copied");
    await gantry("commit", "changed", "committed");
    expect(
      await gantry("run", "--rm", "committed", "sh", "-c", "ls /usr/bin; ls /r 2>/dev/null; ls /new /copied"),
    ).toBe("/copied\n/new");
    await gantry("rm", "changed");
  }, 60_000);

  test("publishes ports on the machine, also over a restart of the daemon, and takes them back", async () => {
    const [any, loopback, datagrams] = [await freePort(), await freePort(), await freePort()];
    const ports = ["-p", `${any}:80`, "-p", `127.0.0.1:${loopback}:80`, "-p", `${datagrams}:80/udp`];
    const server = [..."nc -ll -p 80 -e sh -c".split(" "), "read x; echo hi"];
    const isListening = ["exec", "web", "sh", "-c", "until netstat -ltn | grep -q :80; do :; done"];
    await gantry("run", "-d", "--name", "web", ...ports, "-v", "/:/host:ro", "busybox", ...server);
    await gantry("exec", "-d", "web", "chroot", "/host", "perl", "-e", ECHO_OF_DATAGRAMS);
    await gantry(...isListening);
    expect(await askPort("tcp", any)).toBe("hi\n");
    expect(await askPort("tcp", any, "::1")).toBe("hi\n");
    expect(await askPort("tcp", loopback)).toBe("hi\n");
    expect(await askPort("udp", datagrams)).toBe("hi\n");
    // Another address of the host is another port; one that is taken, or not for users, makes nothing.
    await gantry(
      "run",
      "-d",
      "--name",
      "other",
      "-p",
      `127.0.0.2:${loopback}:80`,
      "busybox",
      "sleep",
      "1000",
    );
    const refusal = async (port: string) =>
      (await rootless.gantry("run", "--rm", "-p", port, "busybox", "true")).stderr;
    expect(await refusal(`${any}:81`)).toContain("port is already allocated");
    expect(await refusal("80:80")).toContain("cannot expose privileged port 80: ");
    expect(await refusal("192.0.2.1::80")).toContain("EADDRNOTAVAIL");
    await gantry("rm", "-f", "other");
    // A daemon that is killed takes nothing along, nor does one that stops.
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await rootless.stopDaemon(signal);
      expect(await askPort("tcp", any)).toBe("hi\n");
      expect(await gantry("ps", "-q")).not.toBe("");
      expect(await askPort("tcp", loopback)).toBe("hi\n");
    }
    // Nor does the process that forwards: there is another one, and it gets the ports again.
    const [forwarder = 0] = rootless.processes("gantry-ports");
    expect(readFileSync(`/proc/${forwarder}/status`, "utf8")).toMatch(/^CapEff:\t0+$/m);
    await rootless.end(forwarder);
    while ((await askPort("tcp", any).catch(() => "")) !== "hi\n") await gantry("info");
    await gantry("restart", "-t", "0", "web");
    await gantry(...isListening);
    expect(await askPort("tcp", any)).toBe("hi\n");
    // It ends while no daemon looks: the next one takes its ports back.
    const pid = Number(await gantry("inspect", "-f", "{{.State.Pid}}", "web"));
    await rootless.stopDaemon();
    await rootless.endContainer(pid);
    expect(await gantry("ps", "-q")).toBe("");
    await expect(askPort("tcp", any)).rejects.toThrow("ECONNREFUSED");
    await gantry("rm", "-f", "web");
    const busy = createServer().listen(any, "0.0.0.0");
    await new Promise((resolve) => busy.once("listening", resolve));
    expect(await refusal(`${any}:80`)).toMatch(
      new RegExp(`failed to bind host port for 0.0.0.0:${any}:[0-9.]+:80/tcp: address already in use`),
    );
    await new Promise((resolve) => busy.close(resolve));
    await gantry("run", "-d", "--name", "again", ...ports, "busybox", "sleep", "1000");
    await gantry("rm", "-f", "again");
  }, 60_000);

  test("reaches containers by name in a network of its own", async () => {
    await gantry("network", "create", "own");
    await gantry("run", "-d", "--name", "peer", "--network", "own", "busybox", "sleep", "1000");
    expect(await sh("ping -c1 -q peer | grep -c ' 0% '", "--network", "own")).toBe("1");
    await gantry("rm", "-f", "peer");
    await gantry("network", "rm", "own");
  }, 30_000);

  test("has containers made by runc, with an init and a volume", async () => {
    const flags = ["--runtime", "runc", "--init", "-v", "theirs:/v"];
    const script =
      "id -u; touch /v/kept /own; stat -c %u /own /v/kept /etc/hosts; cat /proc/1/comm; ip route | grep -c ^default";
    expect((await sh(script, ...flags)).split("\n")).toEqual(["0", "0", "0", "0", "gantry-init", "1"]);
    await gantry("run", "-d", "--name", "theirs", "--runtime", "runc", "busybox", "sleep", "1000");
    expect(await gantry("exec", "-u", "5", "theirs", "id", "-u")).toBe("5");
    await gantry("rm", "-f", "theirs");
  }, 30_000);

  test("says what it cannot do", async () => {
    await gantry("run", "-d", "--name", "limits", "-m", "50m", "busybox", "sleep", "1000");
    expect((await rootless.gantry("pause", "limits")).stderr).toContain("this engine has no control groups");
    expect((await rootless.gantry("create", "-m", "50m", "busybox")).stderr).toContain(
      "Limitation discarded",
    );
    await gantry("rm", "-f", "limits");
    expect(rootless.log).toContain("limits of memory, processors and the like are discarded");
    const refusal = async (...args: string[]) => (await rootless.gantry("daemon", ...args)).stderr;
    expect(await refusal()).toBe(
      "gantry daemon: the daemon has to run as root, or with --rootless as this user\n",
    );
    expect(await refusal("--rootless", "--userns-remap", "default")).toContain("conflicting options");
    expect(await refusal("--rootless", "-H", "tcp://127.0.0.1:1")).toContain("no unix socket");
  }, 30_000);
});

test("a user without subordinate ids has containers of root alone, and is told so", async () => {
  await using poor = new RootlessUser({ withoutRanges: true });
  const hello = await poor.gantry("run", "--rm", "hello-world");
  expect(hello.stdout).toContain("Hello from Gantry!");
  expect((await poor.gantry("run", "--rm", "busybox", "id", "-u")).stdout).toBe("0\n");
  expect(poor.log).toContain("has no ranges in /etc/subuid and /etc/subgid");
}, 60_000);

test("without slirp4netns pasta carries packets", async () => {
  await using other = new RootlessUser({ hidden: ["/usr/bin/slirp4netns"] });
  const first = await other.gantry("run", "--rm", "--network", "host", "busybox", "ip", "route");
  expect(first).toMatchObject({ exitCode: 0 });
  expect(first.stdout).toMatch(/^default /m);
  const port = await freePort();
  const server = ["nc", "-l", "-p", "80", "-e", "sh", "-c", "read x; echo hi"];
  await other.gantry("run", "-d", "--name", "web", "-p", `${port}:80`, "busybox", ...server);
  await other.gantry("exec", "web", "sh", "-c", "until netstat -ltn | grep -q :80; do :; done");
  expect(await askPort("tcp", port)).toBe("hi\n");
}, 60_000);
