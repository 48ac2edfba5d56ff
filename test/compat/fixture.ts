import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, type Header, pack } from "tar-stream";
import { type Engine, runProgram, succeed } from "../harness/index.ts";

/** 150 characters, 300 bytes: longer than ustar's name field, and not ASCII. */
export const LONG_NAME = "ä".repeat(100) + "ж".repeat(20);

/** The kernel's struct vfs_cap_data, revision 2, effective: cap_net_bind_service. */
const CAPABILITY = "\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/** Files whose extended attributes GNU tar could write only from a file system that has them. */
async function membersWithAttributes(): Promise<Buffer> {
  const archive = pack();
  const busybox = Buffer.from(await Bun.file("/bin/busybox").arrayBuffer());
  const add = (headers: Partial<Header> & Pick<Header, "name">, content?: Buffer | string) =>
    archive.entry(headers, content ?? "");
  add(
    // Under a name that begins so, busybox takes the name of its applet from its first argument.
    {
      name: "busybox-capable",
      mode: 0o755,
      mtime: new Date(1e12),
      pax: { "SCHILY.xattr.security.capability": CAPABILITY },
    },
    busybox,
  );
  add(
    {
      name: "noted",
      mode: 0o640,
      uid: 12,
      gid: 34,
      mtime: new Date(1e12),
      pax: { "SCHILY.xattr.user.note": "grüße" },
    },
    "noted\n",
  );
  archive.finalize();
  const bytes = await buffer(archive);
  // Without the two empty blocks at the end, another archive can follow.
  return bytes.subarray(0, bytes.length - 1024);
}

const BASE = `
mkdir -p bin etc tmp dev proc sys replaced/deep emptied removed/deep sticky
cp /bin/busybox bin/busybox
for name in sh ls cat find stat sort sha256sum readlink truncate mknod ln rm mkdir chmod chown touch grep dd wc id su echo; do
  ln -s busybox bin/$name
done
printf 'root:x:0:0:root:/:/bin/sh\\nuser:x:1000:1000::/:/bin/sh\\n' > etc/passwd
chmod 1777 tmp sticky
echo old > replaced/old; echo old > replaced/deep/old; echo old > removed/deep/file; echo old > emptied/file
echo old > changed; echo gone > deleted
echo linked > link-a; ln link-a link-b; ln link-a etc/link-c
ln -s ../nowhere dangling; ln -s /etc etc/absolute
cp bin/busybox bin/setuid; chmod 6755 bin/setuid
chown 1000:2000 changed; chmod 0000 deleted
mknod null c 1 3; mknod block b 7 99; mkfifo pipe
truncate -s 3M sparse; printf middle | dd of=sparse bs=1M seek=1 conv=notrunc status=none
mkdir ${LONG_NAME}; echo long > ${LONG_NAME}/${LONG_NAME}
find . -exec touch -h -d @1234567890.123456789 {} +
`;

const FIRST = `
rm -rf /replaced /removed /deleted; mkdir /replaced; echo new > /replaced/new
rm /emptied/file
echo more >> /changed; chmod 4711 /changed
ln /link-a /link-d; rm /link-b
mknod /zero c 1 5; truncate -s 2M /sparse-too; echo end >> /sparse-too
mkdir -m 2750 /${LONG_NAME}/${LONG_NAME}2; chown 77:88 /${LONG_NAME}/${LONG_NAME}2
rm -r /etc/absolute; mkdir /etc/absolute
`;

const SECOND = `
echo back > /deleted; mkdir /removed; echo back > /removed/file
rm -r /replaced; ln -s etc /replaced
touch -d '2001-02-03 04:05:06' /changed; rm /null; mkdir /null; echo x > "/with space and
newline"
`;

/**
 * The same files twice, the second time with sparse members. Docker 20.10 imports these, but cannot save them ("could not
 * verify layer data"): it writes the holes out where the layer's digest was taken of the map.
 */
const ROOT_ARCHIVES = [["base.tar"], ["sparse.tar", "--sparse"]] as const;

/**
 * "fixture:latest" with whatever is awkward in layers: deleted files, replaced folders, hard links, devices, files with
 * holes, extended attributes, long names; its two last layers are the same one. The archives of its root stay in `folder`.
 */
export async function buildFixture(docker: Engine, folder: string): Promise<void> {
  const root = join(folder, "root");
  const built = await runProgram("sh", ["-ec", `mkdir '${root}'; cd '${root}'; umask 022; ${BASE}`]);
  if (built.exitCode !== 0) throw new Error(built.stderr);
  const attributes = await membersWithAttributes();
  for (const [name, ...options] of ROOT_ARCHIVES) {
    const tar = join(folder, "gnu.tar");
    const packed = await runProgram("tar", ["-cf", tar, ...options, "--format=posix", "-C", root, "."]);
    if (packed.exitCode !== 0) throw new Error(packed.stderr);
    writeFileSync(join(folder, name), Buffer.concat([attributes, await Bun.file(tar).bytes()]));
  }
  rmSync(root, { recursive: true });
  const archive = join(folder, "base.tar");
  await succeed(docker, "import", "--change", "ENV A=ö", "--change", 'CMD ["sh"]', archive, "fixture:0");
  for (const [step, script] of [FIRST, SECOND, "true", "true"].entries()) {
    await succeed(docker, "run", "--name", "step", `fixture:${step}`, "sh", "-ec", script);
    await succeed(docker, "commit", "-c", `LABEL step=${step}`, "step", `fixture:${step + 1}`);
    await succeed(docker, "rm", "step");
  }
  await succeed(docker, "tag", "fixture:4", "fixture:latest");
}

/** What every file of an image's root looks like from inside: type, mode, owner, size, times, links, device, target, content. */
const LISTING = `
find / -xdev -print0 | sort -z | while IFS= read -r -d '' path; do
  case $path in
    /proc|/proc/*|/sys|/sys/*|/dev|/dev/*|/etc/hosts|/etc/hostname|/etc/resolv.conf|/etc/mtab|/.dockerenv|/|/etc) continue ;;
  esac
  if [ -L "$path" ]; then stat -c '%n %A %u:%g %s %Y' "$path"; readlink "$path"
  elif [ -d "$path" ]; then stat -c '%n %A %u:%g %Y' "$path"
  elif [ -f "$path" ]; then stat -c '%n %A %u:%g %s %y %h' "$path"; sha256sum < "$path"
  else stat -c '%n %A %u:%g %s %t,%T %h' "$path"; fi
done`;

export function listFiles(engine: Engine, image: string): Promise<string> {
  return succeed(engine, "run", "--rm", image, "sh", "-c", LISTING);
}

/** The extended attributes of the files in the layers of an image, read by GNU tar. */
export async function layerAttributes(engine: Engine, image: string): Promise<string[]> {
  const name = "layers";
  await succeed(engine, "create", "--name", name, image);
  const layers = await succeed(engine, "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", name);
  await succeed(engine, "rm", name);
  const found: string[] = [];
  for (const layer of layers.trim().split(":")) {
    if (layer.includes("-init")) continue;
    const archive = extract();
    archive.on("entry", (header, stream, next) => {
      for (const [key, value] of Object.entries(header.pax ?? {})) {
        if (key.startsWith("SCHILY.xattr.") && !key.includes("overlay")) {
          found.push(`${header.name} ${key} ${JSON.stringify(value)}`);
        }
      }
      stream.resume();
      stream.once("end", next);
    });
    const tar = spawn("tar", ["-cf", "-", "--xattrs", "--xattrs-include=*", "-C", layer, "."], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await pipeline(tar.stdout, archive);
  }
  return found.sort();
}
