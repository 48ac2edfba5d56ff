import type { TarMember } from "../../archive/index.ts";
import { file, folder } from "./files.ts";
import type { BuiltinRecipe } from "./one-layer.ts";

/** Users and groups with the numbers that programs in other images expect. */
const USERS: readonly (readonly [
  name: string,
  uid: number,
  gid: number,
  comment: string,
  home: string,
  shell: string,
])[] = [
  ["root", 0, 0, "root", "/root", "/bin/sh"],
  ["daemon", 1, 1, "daemon", "/usr/sbin", "/bin/false"],
  ["bin", 2, 2, "bin", "/bin", "/bin/false"],
  ["sys", 3, 3, "sys", "/dev", "/bin/false"],
  ["sync", 4, 100, "sync", "/bin", "/bin/sync"],
  ["mail", 8, 8, "mail", "/var/spool/mail", "/bin/false"],
  ["www-data", 33, 33, "www-data", "/var/www", "/bin/false"],
  ["operator", 37, 37, "Operator", "/var", "/bin/false"],
  ["nobody", 65534, 65534, "nobody", "/home", "/bin/false"],
];

const GROUPS: readonly (readonly [name: string, gid: number, members?: string])[] = [
  ["root", 0],
  ["daemon", 1],
  ["bin", 2],
  ["sys", 3],
  ["adm", 4],
  ["tty", 5],
  ["disk", 6],
  ["lp", 7],
  ["mail", 8],
  ["kmem", 9],
  ["wheel", 10, "root"],
  ["cdrom", 11],
  ["dialout", 18],
  ["floppy", 19],
  ["video", 28],
  ["audio", 29],
  ["tape", 32],
  ["www-data", 33],
  ["operator", 37],
  ["utmp", 43],
  ["plugdev", 46],
  ["staff", 50],
  ["lock", 54],
  ["netdev", 82],
  ["users", 100],
  ["nogroup", 65534],
];

const passwd = USERS.map((user) => `${user[0]}:x:${user.slice(1).join(":")}\n`).join("");
const shadow = USERS.map(([name]) => `${name}:*:::::::\n`).join("");
const group = GROUPS.map(([name, gid, members = ""]) => `${name}:x:${gid}:${members}\n`).join("");

/**
 * busybox: a static busybox with one hard link for each applet (`applets`, as `busybox --list` has them), and the
 * folders and accounts that a small system has.
 */
export function busybox(program: Uint8Array, applets: readonly string[], created: string): BuiltinRecipe {
  const links: TarMember[] = [...applets]
    .filter((applet) => applet !== "busybox")
    .sort()
    .map((applet) => ({ type: "hardlink", path: `bin/${applet}`, to: "bin/busybox", mode: 0o755 }));
  return {
    name: "busybox",
    created,
    createdBy: "COPY busybox / # busybox-static",
    config: { Cmd: ["sh"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
    files: [
      folder("bin"),
      file("bin/busybox", program, 0o755),
      ...links,
      folder("dev"),
      folder("etc"),
      file("etc/group", group, 0o644),
      file("etc/passwd", passwd, 0o644),
      file("etc/shadow", shadow, 0o600),
      folder("home"),
      folder("root", 0o700),
      folder("tmp", 0o1777),
      folder("usr"),
      folder("usr/bin"),
      { type: "symlink", path: "usr/bin/env", to: "../../bin/env" },
      folder("usr/sbin"),
      folder("var"),
      folder("var/spool"),
      folder("var/spool/mail"),
      folder("var/www"),
    ],
  };
}
