import { spawn } from "node:child_process";
import { constants } from "node:os";
import { buffer } from "node:stream/consumers";
import { internal } from "../errors/index.ts";
import { NETLINK_ROUTE } from "./constants.ts";
import { u32 } from "./message.ts";

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** One thing for the helper to do: a message of netlink, a batch of them, or a value of /proc/sys. */
export type KernelRequest =
  | { readonly protocol: number; readonly message: Buffer }
  /** Messages that the kernel takes all or none (nf_tables). */
  | { readonly protocol: number; readonly batch: Buffer }
  /** Such as "net/ipv6/conf/eth1/disable_ipv6". Where the kernel has no such value: ENOENT. */
  | { readonly sysctl: string; readonly value: string };

const SYSCTL = 256;
const FLAG_BATCH = 2;

export interface RequestOptions {
  readonly shimPath: string;
  /** File of the network namespace to do it in, such as /proc/PID/ns/net; the engine's own when left out. */
  readonly namespace?: string;
}

/**
 * Do things in a network namespace, one after the other, through the native helper. Returns for each the name of its
 * error ("EEXIST") or undefined; a failed one does not hold up the next. Throws internal when the namespace cannot be
 * entered.
 */
export async function requestKernel(
  { shimPath, namespace }: RequestOptions,
  requests: readonly KernelRequest[],
): Promise<(string | undefined)[]> {
  const helper = spawn(shimPath, ["netlink", ...(namespace === undefined ? [] : [namespace])], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {},
  });
  const ended = new Promise((resolve, reject) => helper.once("close", resolve).once("error", reject));
  // A helper that could not enter the namespace reads nothing; the count of its answers tells.
  helper.stdin.on("error", () => {});
  helper.stdin.end(Buffer.concat(requests.map(encode)));
  const [answers] = await Promise.all([buffer(helper.stdout), ended]);
  const results: (string | undefined)[] = [];
  for (let at = 0; at + 8 <= answers.length; at += 8 + answers.readUInt32LE(at + 4)) {
    const errno = answers.readUInt32LE(at);
    results.push(errno === 0 ? undefined : (ERRNO_NAMES.get(errno) ?? `errno ${errno}`));
  }
  if (results.length !== requests.length)
    throw internal(
      namespace === undefined
        ? "the netlink helper ended before it answered"
        : `the network namespace ${namespace} could not be entered`,
    );
  return results;
}

function encode(request: KernelRequest): Buffer {
  const [protocol, flags, body] =
    "sysctl" in request
      ? [SYSCTL, 0, Buffer.from(`${request.sysctl}\0${request.value}\0`)]
      : "batch" in request
        ? [request.protocol, FLAG_BATCH, request.batch]
        : [request.protocol, 0, request.message];
  return Buffer.concat([u32(protocol), u32(flags), u32(body.length), body]);
}

/** The same for messages of rtnetlink only. */
export const requestRoute = (
  options: RequestOptions,
  messages: readonly Buffer[],
): Promise<(string | undefined)[]> =>
  requestKernel(
    options,
    messages.map((message) => ({ protocol: NETLINK_ROUTE, message })),
  );
