import { internal, invalid } from "../../errors/index.ts";
import { runHelper } from "../../platform/index.ts";
import { encodePlan } from "../plan/index.ts";
import type { FilesView } from "./container-files.ts";

/** Exit code of `gantry-shim identity` for a name that is not there; see native/mode_identity.c. */
const NO_SUCH_NAME = 65;

/**
 * The numbers that the words of --user and --group-add stand for in a container's own /etc/passwd and /etc/group.
 * Throws invalid in Docker's words for a name that is not there.
 */
export async function findIdentity(
  shim: string,
  { operations, process }: FilesView,
  words: { readonly user: string; readonly group: string; readonly additionalGroups: readonly string[] },
): Promise<{ uid: number; gid: number; additionalGids: number[] }> {
  const place = process === undefined ? [] : ["--process", String(process.pid), "--group", process.group];
  const { code, stdout, stderr } = await runHelper(
    shim,
    ["identity", ...place, words.user, words.group, ...words.additionalGroups],
    encodePlan({ start: "now", operations }),
    new AbortController().signal,
  );
  const complaint = stderr.trim();
  if (code === NO_SUCH_NAME) {
    const [kind = "user", ...name] = complaint.split(" ");
    const file = kind === "group" ? "group" : "passwd";
    throw invalid(`unable to find ${kind} ${name.join(" ")}: no matching entries in ${file} file`);
  }
  if (code !== 0) throw internal(`the container's user could not be looked up: ${complaint}`);
  const [uid = 0, gid = 0, ...additionalGids] = stdout.toString().trim().split(" ").map(Number);
  return { uid, gid, additionalGids };
}
