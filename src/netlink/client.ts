import { spawn } from "node:child_process";
import { constants } from "node:os";
import { buffer } from "node:stream/consumers";
import { internal } from "../errors/index.ts";
import { u32 } from "./message.ts";
import { NETLINK_ROUTE } from "./route.ts";

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/**
 * Send messages of rtnetlink in the engine's own network namespace, one after the other, through the native helper.
 * Returns for each the name of its error ("EEXIST") or undefined; a failed one does not hold up the next.
 */
export async function requestRoute(
  shimPath: string,
  messages: readonly Buffer[],
): Promise<(string | undefined)[]> {
  const helper = spawn(shimPath, ["netlink"], { stdio: ["pipe", "pipe", "inherit"], env: {} });
  const ended = new Promise((resolve, reject) => helper.once("close", resolve).once("error", reject));
  for (const message of messages) {
    helper.stdin.write(Buffer.concat([u32(NETLINK_ROUTE), u32(0), u32(message.length), message]));
  }
  helper.stdin.end();
  const [answers] = await Promise.all([buffer(helper.stdout), ended]);
  const results: (string | undefined)[] = [];
  for (let at = 0; at + 8 <= answers.length; at += 8 + answers.readUInt32LE(at + 4)) {
    const errno = answers.readUInt32LE(at);
    results.push(errno === 0 ? undefined : (ERRNO_NAMES.get(errno) ?? `errno ${errno}`));
  }
  if (results.length !== messages.length) throw internal("the netlink helper ended before it answered");
  return results;
}
