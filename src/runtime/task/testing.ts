import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LaunchPlan, Operation } from "../plan/index.ts";

/** A root of busybox, with two users, for tests of tasks. */
export function makeTestRoot(rootfs: string): void {
  for (const name of ["bin", "proc", "dev", "etc", "tmp"]) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
  for (const applet of ["sh", "cat", "echo", "id", "ls", "sleep", "wc", "stty", "readlink", "head"])
    symlinkSync("busybox", join(rootfs, "bin", applet));
  writeFileSync(join(rootfs, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/sh\n");
  writeFileSync(join(rootfs, "etc/group"), "root:x:0:\nextra:x:77:web\n");
}

export interface TestPlan {
  rootfs: string;
  args: string[];
  before?: Operation[];
  root?: Operation;
  stdin?: boolean;
  terminal?: boolean;
  user?: Operation;
  log?: string;
}

export const testPlan = ({
  rootfs,
  args,
  before = [],
  root,
  stdin = false,
  terminal = false,
  user,
  log,
}: TestPlan): LaunchPlan => ({
  start: "on-request",
  operations: [
    { op: "stdio", terminal, stdin, stdinOnce: true, rows: 24, columns: 80 },
    ...(log === undefined ? [] : [{ op: "log-file", file: log, maxBytes: 0, maxFiles: 1 } as const]),
    ...(["mount", "pid", "uts", "ipc", "net"] as const).map(
      (kind) => ({ op: "namespace-new", kind }) as const,
    ),
    { op: "mount-propagation", propagation: "rprivate" },
    root ?? { op: "rootfs-bind", source: rootfs },
    { op: "mount", fstype: "proc", source: "proc", target: "/proc", attributes: { nosuid: true }, data: "" },
    {
      op: "mount",
      fstype: "tmpfs",
      source: "tmpfs",
      target: "/dev",
      attributes: { nosuid: true },
      data: "mode=755",
    },
    {
      op: "mount",
      fstype: "devpts",
      source: "devpts",
      target: "/dev/pts",
      attributes: {},
      data: "newinstance,ptmxmode=0666,mode=0620",
    },
    { op: "device", target: "/dev/null", type: "c", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 },
    ...(terminal ? [{ op: "console" } as const] : []),
    ...before,
    { op: "pivot-root" },
    ...(user === undefined ? [] : [user]),
    { op: "environment", entries: ["PATH=/bin"] },
    { op: "exec", args },
  ],
});

/** Frames of the Docker API, each stream's put together. */
export function demultiplex(bytes: Buffer) {
  const streams = ["", "", ""];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    streams[bytes[at] ?? 0] += bytes.toString("utf8", at + 8, end);
    at = end;
  }
  return { stdout: streams[1] ?? "", stderr: streams[2] ?? "" };
}
