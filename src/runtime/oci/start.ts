import { closeSync, constants, openSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { conflict, messageOf } from "../../errors/index.ts";
import { errnoName, launchErrorOf } from "../task/index.ts";
import { parseConfig } from "./config.ts";
import type { OciContext } from "./context.ts";
import { runHooks } from "./hooks.ts";
import { type ContainerRecord, reportOf } from "./state.ts";

/** Run the program of a created container. Throws LaunchError when it cannot be executed. */
export async function startContainer(context: OciContext, id: string): Promise<void> {
  const record = context.store.load(id);
  const status = context.store.statusOf(record);
  if (status === "stopped") throw conflict("cannot start a container that has stopped");
  if (status !== "created") throw conflict(`cannot start an already ${status} container`);
  const failure = await sayStart(context.store.folder(id));
  rmSync(context.store.startSocket(id), { force: true });
  if (failure !== "") throw failureOf(failure);
  await afterStart(context, record);
}

/** What comes right after the program's start. A hook that fails there is told, and changes nothing (runtime.md, 10). */
export async function afterStart(context: OciContext, record: ContainerRecord): Promise<void> {
  const { hooks } = parseConfig(record.config, record.bundle);
  try {
    await runHooks("poststart", hooks.poststart, reportOf(record, "running"));
  } catch (error) {
    context.warn(messageOf(error));
  }
}

/** The process closes the connection with its execve(2), or says in one line why there was none. */
async function sayStart(folder: string): Promise<string> {
  // The name of a socket is short; the folder's need not be.
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const socket = connect({ path: `/proc/self/fd/${fd}/start.sock`, allowHalfOpen: true });
    socket.write("s");
    return await text(socket);
  } catch (cause) {
    throw conflict("cannot start a container that has stopped", { cause });
  } finally {
    closeSync(fd);
  }
}

/** "ERRNO DETAIL" */
function failureOf(line: string) {
  const [, errno = "0", detail = ""] = /^(\d+) (.*)$/m.exec(line) ?? [];
  return launchErrorOf({
    index: 0,
    op: detail.startsWith("hook ") ? "hook" : "exec",
    errno: errnoName(Number(errno)),
    detail,
  });
}
