import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gantry-profiles-"));
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const run = (flags: string[], ...command: string[]) =>
  daemon.docker("run", "--rm", ...flags, "busybox", ...command);
const shell = async (flags: string[], script: string) => (await run(flags, "sh", "-c", script)).stdout.trim();
const status = (field: string) => `grep '^${field}:' /proc/self/status | cut -f2`;

function profile(value: object): string {
  const file = join(folder, `${crypto.randomUUID()}.json`);
  writeFileSync(file, JSON.stringify(value));
  return `seccomp=${file}`;
}

describe("a seccomp profile", () => {
  test("is there by default, and gone when unconfined or privileged", async () => {
    expect(await shell([], status("Seccomp"))).toBe("2");
    expect(await shell(["--security-opt", "seccomp=unconfined"], status("Seccomp"))).toBe("0");
    expect(await shell(["--privileged"], status("Seccomp"))).toBe("0");
    expect((await run([], "unshare", "-m", "true")).stderr).toContain("Operation not permitted");
  }, 30_000);

  test("of the user's own decides by name, argument, capability and architecture", async () => {
    const own = profile({
      defaultAction: "SCMP_ACT_ALLOW",
      archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
      syscalls: [
        { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 },
        { names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO", includes: { caps: ["CAP_SYS_ADMIN"] } },
        { names: ["rmdir"], action: "SCMP_ACT_ERRNO", excludes: { caps: ["CAP_CHOWN"] } },
        { names: ["symlink", "symlinkat"], action: "SCMP_ACT_ERRNO", includes: { arches: ["s390x"] } },
        {
          names: ["kill"],
          action: "SCMP_ACT_ERRNO",
          errnoRet: 1,
          args: [{ index: 1, value: 10, op: "SCMP_CMP_EQ" }],
        },
        { names: ["no_such_call_in_any_kernel"], action: "SCMP_ACT_ERRNO" },
      ],
    });
    const flags = ["--security-opt", own];
    expect((await run(flags, "mkdir", "/x")).stderr).toContain("No space left on device");
    expect((await run(flags, "chmod", "600", "/etc/passwd")).exitCode).toBe(0);
    expect((await run(flags, "ln", "-s", "a", "/b")).exitCode).toBe(0);
    expect((await run([...flags, "--cap-add", "SYS_ADMIN"], "chmod", "600", "/etc/passwd")).exitCode).toBe(1);
    expect(await shell(flags, "kill -0 $$ && echo zero; kill -USR1 $$ || echo refused")).toBe(
      "zero\nrefused",
    );
  }, 30_000);

  test("with a mistake in it is refused with the field's name, and leaves nothing behind", async () => {
    const mistakes: [object, string][] = [
      [{ defaultAction: "SCMP_ACT_NONSENSE" }, "defaultAction: unknown action SCMP_ACT_NONSENSE"],
      [
        { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], action: "SCMP_ACT_NOTIFY" }] },
        "SCMP_ACT_NOTIFY is not supported",
      ],
      [
        {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args: [{ index: 9, op: "SCMP_CMP_EQ" }] }],
        },
        "six arguments",
      ],
      [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ action: "SCMP_ACT_ALLOW" }] }, "syscalls[0].name"],
      [
        {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ name: "read", names: ["write"], action: "SCMP_ACT_ALLOW" }],
        },
        "name",
      ],
      [
        {
          defaultAction: "SCMP_ACT_ALLOW",
          architectures: ["SCMP_ARCH_X86"],
          archMap: [{ architecture: "SCMP_ARCH_X86_64" }],
        },
        "architectures",
      ],
    ];
    for (const [value, words] of mistakes) {
      const { exitCode, stderr } = await run(["--security-opt", profile(value)], "true");
      expect([exitCode, stderr.includes(words) ? words : stderr]).toEqual([125, words]);
    }
    expect((await daemon.docker("ps", "-aq")).stdout).toBe("");
  }, 30_000);
});

test("no-new-privileges keeps a set-uid program from raising the process", async () => {
  expect(await shell(["--security-opt", "no-new-privileges"], status("NoNewPrivs"))).toBe("1");
  expect(await shell([], status("NoNewPrivs"))).toBe("0");
  // ping is an applet that keeps the rights of its file; without them it may not open its socket here.
  chmodSync(folder, 0o755);
  copyFileSync("/bin/busybox", join(folder, "ping"));
  chmodSync(join(folder, "ping"), 0o4755);
  const flags = ["-u", "1000", "-v", `${folder}:/s`, "--sysctl", "net.ipv4.ping_group_range=1 0"];
  const ping = ["/s/ping", "-c1", "127.0.0.1"];
  expect((await run(flags, ...ping)).exitCode).toBe(0);
  const kept = await run([...flags, "--security-opt", "no-new-privileges"], ...ping);
  expect(kept.stderr).toContain("permission denied");
}, 30_000);

test("system paths are hidden or read-only, unless unconfined or privileged", async () => {
  const look =
    "head -c1 /proc/kcore | wc -c; ls /sys/firmware | wc -l; echo x > /proc/sysrq-trigger || echo ro";
  expect(await shell([], look)).toBe("0\n0\nro");
  const open = ["--security-opt", "systempaths=unconfined"];
  expect(await shell(open, "grep -c ' /proc/' /proc/mounts")).toBe("0");
  expect(await shell(["--privileged"], "grep -c ' /proc/' /proc/mounts")).toBe("0");
  expect(await shell(["--privileged"], "test -w /sys/fs && echo rw")).toBe("rw");
}, 30_000);

test("capabilities are what was added and dropped", async () => {
  const effective = status("CapEff");
  expect(await shell([], effective)).toBe("00000000a80425fb");
  expect(await shell(["--cap-drop", "ALL"], effective)).toBe("0000000000000000");
  expect(await shell(["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"], effective)).toBe("0000000000001000");
  const own = /^CapPrm:\t(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  expect(await shell(["--privileged"], effective)).toBe(own ?? "");
  expect(await shell(["-u", "1"], effective)).toBe("0000000000000000");
  expect(await shell(["-u", "1"], status("CapBnd"))).toBe("00000000a80425fb");
}, 30_000);

test("devices are those that were given, with the access that was given", async () => {
  expect(await shell([], "cat /dev/fuse 2>&1 >/dev/null | head -c 200")).toContain("No such file");
  expect(await shell([], "mknod /tmp/mem c 1 1; head -c1 /tmp/mem 2>&1")).toContain(
    "Operation not permitted",
  );
  const rule = ["--device-cgroup-rule", "c 10:229 rw"];
  expect(await shell([], "mknod /tmp/fuse c 10 229; true < /tmp/fuse || echo closed")).toBe("closed");
  expect(await shell(rule, "mknod /tmp/fuse c 10 229; true < /tmp/fuse && echo open")).toBe("open");
  const device = ["--device", "/dev/fuse:/dev/other:r"];
  expect(await shell(device, "true < /dev/other && echo read; true > /dev/other || echo no write")).toBe(
    "read\nno write",
  );
  expect(await shell(["--privileged"], "true < /dev/fuse && echo read")).toBe("read");
}, 30_000);

test("an LSM's policy that this host does not enforce is accepted with a warning", async () => {
  const { stdout, stderr } = await run(["--security-opt", "apparmor=my-profile"], "echo", "ran");
  expect([stdout, stderr.includes("AppArmor is not enabled on this host")]).toEqual(["ran\n", true]);
  expect((await run(["--security-opt", "label=disable"], "true")).stderr).toBe("");
}, 30_000);
