import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack } from "tar-stream";

const MADE_AT = new Date("2005-06-07T08:09:10Z");
const FILES: Readonly<Record<string, string>> = {
  a: "a",
  "b.txt": "b",
  "c.txt": "c",
  "dir/c": "c in dir",
  "dir/e.txt": "e",
  "dir/sub/d": "d",
  "dir/sub/deep/f.txt": "f",
  "other/c": "c in other",
  "other/g": "g",
  tool: "#!/bin/sh\necho tool\n",
  private: "private",
  "setuid-tool": "#!/bin/sh\n",
  "with space": "space",
  "brackets[0].txt": "brackets",
  "süß/ñ": "not ASCII",
  [`${"long-name-".repeat(12)}end`]: "long",
  "name's": "quote",
  "not-archive.tar.gz": "text",
  ".hidden": "hidden",
  ignored: "ignored",
  "ignored-too": "ignored",
  "ignored-but": "kept",
  "logs/x.log": "log",
  "logs/deep/y.log": "log",
  "logs/z.txt": "kept",
  "folder-out/x": "ignored",
  "folder-out/in": "kept",
};
const MODES: Readonly<Record<string, number>> = {
  tool: 0o755,
  private: 0o600,
  "setuid-tool": 0o4755,
  "modes/sticky": 0o1777,
  "modes/closed": 0o700,
  "modes/set-group": 0o2775,
};
const LINKS: Readonly<Record<string, string>> = {
  link: "a",
  "link-to-dir": "dir",
  "linked/up": "../a",
  "linked/away": "/etc/passwd",
  "linked/nowhere": "gone",
  "linked/dir": "../dir",
};
const IGNORE = `dockerfiles
# a comment
ignored*
!ignored-but
**/*.log
folder-out
!folder-out/in
`;

/** The context of all cases, with their Dockerfiles below `dockerfiles`; all its times are the same. */
export function makeContext(dockerfiles: readonly string[], tar: Uint8Array): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "gantry-context-"));
  const at = (name: string) => {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    return join(path, name);
  };
  for (const [name, content] of Object.entries(FILES)) writeFileSync(at(name), content);
  for (const name of ["empty", "modes/sticky", "modes/closed", "modes/set-group", "dockerfiles"])
    mkdirSync(join(path, name), { recursive: true });
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, at(name));
  writeFileSync(at("twins/one"), "twin");
  linkSync(join(path, "twins/one"), join(path, "twins/two"));
  execFileSync("mkfifo", [at("pipes/fifo")]);
  writeFileSync(at("archives/plain.tar"), tar);
  writeFileSync(at("archives/gzip.tgz"), gzipSync(tar));
  writeFileSync(at("archives/bzip2.tar.bz2"), execFileSync("bzip2", { input: tar }));
  writeFileSync(at("archives/xz.tar.xz"), execFileSync("xz", { input: tar }));
  writeFileSync(at("archives/named-otherwise"), gzipSync(tar));
  writeFileSync(at("newer-archives/zstd.tar.zst"), zstdCompressSync(tar));
  writeFileSync(at("text.gz"), gzipSync("text"));
  writeFileSync(join(path, ".dockerignore"), IGNORE);
  for (const [name, mode] of Object.entries(MODES)) chmodSync(join(path, name), mode);
  for (const file of dockerfiles) copyFileSync(file, join(path, "dockerfiles", file.split("/").at(-1) ?? ""));
  setTimes(path);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A tree's files first, because they change their folders' times. */
function setTimes(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const name = join(path, entry.name);
    if (entry.isDirectory()) setTimes(name);
    else lutimesSync(name, MADE_AT, MADE_AT);
  }
  lutimesSync(path, MADE_AT, MADE_AT);
}

/** A tar with what a context cannot have: owners, capabilities, devices. */
export async function makeArchive(): Promise<Buffer> {
  const tar = pack();
  const mtime = new Date("2001-02-03T04:05:06Z");
  tar.entry({ name: "packed/", type: "directory", mode: 0o750, uid: 7, gid: 8, mtime });
  tar.entry({ name: "packed/file", mode: 0o640, uid: 1000, gid: 1001, mtime }, "packed");
  tar.entry({ name: "packed/same", type: "link", linkname: "packed/file", mtime });
  tar.entry({ name: "packed/soft", type: "symlink", linkname: "file", uid: 5, gid: 6, mtime });
  tar.entry({ name: "packed/set-id", mode: 0o6755, uid: 1, gid: 2, mtime }, "s");
  tar.entry({ name: "packed/zero", type: "character-device", devmajor: 1, devminor: 5, mode: 0o666, mtime });
  tar.entry({ name: "packed/fifo", type: "fifo", mode: 0o600, mtime });
  const capability = Buffer.from("0100000200040000000000000000000000000000", "hex").toString("latin1");
  tar.entry(
    {
      name: "packed/capable",
      mode: 0o755,
      mtime,
      pax: { "SCHILY.xattr.security.capability": capability },
    },
    "c",
  );
  tar.entry({ name: "without-its-folder/deep/file", mode: 0o600, mtime }, "x");
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
