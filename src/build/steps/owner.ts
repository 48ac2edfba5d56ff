import { invalid } from "../../errors/index.ts";
import { readTreeFiles, type SnapshotMount } from "../../snapshot/index.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `--chown USER[:GROUP]`, names looked up in the tree's own files; a user alone gives the same number to the group. Throws invalid. */
export async function parseOwner(
  shim: string,
  tree: SnapshotMount,
  text: string,
  signal: AbortSignal,
): Promise<Owner> {
  const [user = "", group = user, ...more] = text.split(":");
  if (user === "" || group === "" || more.length > 0)
    throw invalid(`invalid chown string: ${JSON.stringify(text)}`);
  if (isId(user) && isId(group)) return { uid: Number(user), gid: Number(group) };
  const [passwd, groups] = await readTreeFiles(shim, tree, ["etc/passwd", "etc/group"], signal);
  const hasGroup = text.includes(":");
  const account = isId(user) ? undefined : lineOf(passwd, user);
  if (!isId(user) && account === undefined)
    throw invalid(
      `unable to convert uid/gid chown string to host mapping: can't find uid for user ${user}: no such user: ${user}`,
    );
  const uid = account === undefined ? Number(user) : Number(account[2]);
  if (!hasGroup) {
    // Without a group a name's group of the same name is meant, or its number.
    const own = isId(user) ? undefined : lineOf(groups, user);
    return { uid, gid: own === undefined ? uid : Number(own[2]) };
  }
  if (isId(group)) return { uid, gid: Number(group) };
  const found = lineOf(groups, group);
  if (found === undefined)
    throw invalid(
      `unable to convert uid/gid chown string to host mapping: can't find gid for group ${group}: no such group: ${group}`,
    );
  return { uid, gid: Number(found[2]) };
}

/**
 * Whose a folder becomes that WORKDIR makes under `USER USER[:GROUP]`: as BuildKit has it, a name's own group, a number's
 * same number, and root for a name that the tree does not know.
 */
export async function folderOwner(
  shim: string,
  tree: SnapshotMount,
  text: string,
  signal: AbortSignal,
): Promise<Owner> {
  const [user = "", group] = text.split(":");
  if (user === "") return { uid: 0, gid: 0 };
  const isNumeric = isId(user) && (group === undefined || isId(group));
  const [passwd, groups] = isNumeric
    ? []
    : await readTreeFiles(shim, tree, ["etc/passwd", "etc/group"], signal);
  const account = isId(user) ? undefined : lineOf(passwd, user);
  const uid = isId(user) ? Number(user) : Number(account?.[2] ?? 0);
  if (group === undefined || group === "") return { uid, gid: isId(user) ? uid : Number(account?.[3] ?? 0) };
  return { uid, gid: isId(group) ? Number(group) : Number(lineOf(groups, group)?.[2] ?? 0) };
}

const isId = (text: string) => /^\d{1,10}$/.test(text);

function lineOf(file: Buffer | undefined, name: string): string[] | undefined {
  return (file?.toString("utf8") ?? "")
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[0] === name && /^\d+$/.test(fields[2] ?? ""));
}
