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

const isId = (text: string) => /^\d{1,10}$/.test(text);

function lineOf(file: Buffer | undefined, name: string): string[] | undefined {
  return (file?.toString("utf8") ?? "")
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[0] === name && /^\d+$/.test(fields[2] ?? ""));
}
