import { execFileSync } from "node:child_process";
import { globSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { POSTGRES_PARTS } from "../../compose/database-image.ts";
import { packRootFileSystem } from "../../harness/index.ts";

const asked = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8" }).trim();
const which = (program: string) => asked("sh", "-c", `command -v ${program}`);

/** The folder that npm's own program lies in. */
const NPM = dirname(dirname(realpathSync(which("npm"))));

/** Root file systems with what a build needs, put together from this machine's own programs: no network is asked. */
export const MACHINE_BASES: Readonly<
  Record<"node" | "postgres" | "static-c", (archive: string) => Promise<void>>
> = {
  node: (archive) =>
    packRootFileSystem(archive, {
      programs: [realpathSync(which("node"))],
      files: [NPM],
      links: {
        "/bin/node": realpathSync(which("node")),
        "/bin/npm": `${NPM}/bin/npm-cli.js`,
        "/usr/bin/env": "/bin/busybox",
      },
      texts: { "/etc/passwd": "root:x:0:0::/root:/bin/sh\n" },
      folders: { "/root": "0:0 700" },
      applets: ["sh"],
    }),
  postgres: (archive) =>
    packRootFileSystem(archive, {
      ...POSTGRES_PARTS,
      applets: ["sh", "sleep", "cat", "mkdir", "chmod", "chown"],
    }),
  "static-c": (archive) => {
    const own = (name: string, kind = "file") => asked("gcc", `-print-${kind}-name=${name}`);
    const folder = own("");
    const programs = [which("gcc"), which("as"), which("ld"), own("cc1", "prog"), own("collect2", "prog")];
    const objects = ["crt1.o", "crti.o", "crtn.o", "libc.a"].map((name) => resolve(own(name)));
    return packRootFileSystem(archive, {
      programs,
      files: [
        ...objects,
        ...globSync(`${folder}{crt*.o,libgcc.a,libgcc_eh.a,liblto_plugin.so,include}`),
        ...["/usr/include"],
      ],
      applets: ["sh", "mkdir"],
    });
  },
};
