import { spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import { unavailable } from "../../errors/index.ts";
import { ownCommand } from "../../platform/index.ts";
import { userPlaces } from "../../platform/places/index.ts";
import { printError } from "../output/print.ts";

/**
 * Start a daemon in the background with its default places and wait until it listens. For a client that found nobody
 * at the default socket; of any user but root it is a rootless one. Two clients at once are no harm: the daemon that finds the data root taken ends, and its
 * client is told so by `unavailable`, upon which it looks at the socket again.
 */
export async function startDaemonInBackground(uid: number): Promise<void> {
  const folder = uid === 0 ? "/var/log/gantry" : userPlaces(uid).data;
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const logFile = `${folder}/daemon.log`;
  const log = openSync(logFile, "a", 0o640);
  printError("gantry: starting the daemon");
  const [program = "", ...script] = ownCommand();
  const daemon = spawn(program, [...script, "daemon", ...(uid === 0 ? [] : ["--rootless"])], {
    stdio: ["ignore", log, log, "pipe"],
    detached: true,
    cwd: "/",
    env: { ...process.env, GANTRY_READY_FD: "3" },
  });
  const ready = daemon.stdio[3];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  daemon.once("error", reject);
  daemon.once("exit", (code) =>
    reject(unavailable(`the daemon ended with code ${code}: ${lastLine(logFile)} (its log is ${logFile})`)),
  );
  ready?.once("data", () => resolve());
  try {
    await promise;
  } finally {
    daemon.unref();
    ready?.destroy();
  }
}

/** What the daemon said before it ended. */
function lastLine(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").at(-1)?.replace("gantry daemon: ", "") ?? "";
}
