import { dlopen, FFIType, ptr } from "bun:ffi";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";

const OPEN_TREE = 428;
const MOVE_MOUNT = 429;
const MOUNT_SETATTR = 442;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_IDMAP = 0x10_0000n;

/**
 * Mount `folder` over itself with a map of owners, which takes every id to itself: nothing is other than before, but the
 * kernel makes no idmapped mounts of it any more (mount_setattr(2), EPERM), as on a file system that knows none. The caller unmounts it.
 */
export async function refuseIdmaps(folder: string): Promise<void> {
  const holder = spawn("unshare", ["--user", "sh", "-c", "echo ready; exec sleep 1000"]);
  await once(holder.stdout, "data");
  for (const kind of ["uid", "gid"]) writeFileSync(`/proc/${holder.pid}/${kind}_map`, "0 0 4294967295\n");
  const namespace = openSync(`/proc/${holder.pid}/ns/user`, "r");
  const { i64 } = FFIType;
  const libc = dlopen("libc.so.6", { syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 } });
  const call = (...args: (number | bigint)[]) => {
    const [number = 0, a = 0, b = 0, c = 0, d = 0, e = 0] = args;
    return Number(libc.symbols.syscall(number, a, b, c, d, e));
  };
  // What is pointed to has to stay for as long as it is used.
  const names = { path: Buffer.from(`${folder}\0`), empty: Buffer.from("\0") };
  const [path, empty] = [ptr(names.path), ptr(names.empty)];
  const tree = call(OPEN_TREE, AT_FDCWD, path, OPEN_TREE_CLONE);
  const attributes = new BigUint64Array([MOUNT_ATTR_IDMAP, 0n, 0n, BigInt(namespace)]);
  const shifted = call(MOUNT_SETATTR, tree, empty, AT_EMPTY_PATH, ptr(attributes), attributes.byteLength);
  const moved = call(MOVE_MOUNT, tree, empty, AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
  closeSync(tree);
  closeSync(namespace);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  if (shifted !== 0 || moved !== 0) throw new Error(`${folder} could not be mounted with a map of owners`);
}
