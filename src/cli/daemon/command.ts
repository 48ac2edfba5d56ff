import { writeSync } from "node:fs";
import { join } from "node:path";
import { createApiServer } from "../../api/index.ts";
import { openEngine } from "../../daemon/index.ts";
import { EngineError, invalid, messageOf } from "../../errors/index.ts";
import { createLog } from "../../log/index.ts";
import { API_VERSION, ENGINE_VERSION, MIN_API_VERSION } from "../../wire/index.ts";
import { announceReady, signalled } from "../terminal/server-process.ts";
import { DAEMON_HELP, parseDaemonOptions } from "./options.ts";
import { enterRootless, leaveRootless } from "./rootless.ts";

/** `gantry daemon`: run until SIGTERM or SIGINT. Gives the exit code. */
export async function runDaemon(argv: readonly string[]): Promise<number> {
  try {
    const options = parseDaemonOptions(argv);
    if (options === undefined) {
      writeSync(1, DAEMON_HELP);
      return 0;
    }
    if (options.enters !== undefined) await enterRootless(options.enters, options);
    if ((process.getuid?.() ?? 0) !== 0)
      throw invalid("the daemon has to run as root, or with --rootless as this user");
    const stop = signalled("SIGTERM", "SIGINT");
    const log = await createLog({ level: options.logLevel });
    await using engine = await openEngine(options, log);
    if (options.teardown) {
      await engine.teardown();
      if (options.rootless !== undefined) leaveRootless(options.rootless);
      return 0;
    }
    await using api = createApiServer(engine.engine, {
      log,
      engineVersion: ENGINE_VERSION,
      apiVersion: API_VERSION,
      minApiVersion: MIN_API_VERSION,
      tls: options.tls && { ...options.tls, socket: join(options.execRoot, "tls.sock") },
    });
    for (const host of options.hosts) await api.listen(host);
    log.info(`listening on ${options.hosts.join(", ")}`);
    announceReady();
    engine
      .startByPolicy()
      .catch((error) => log.error(`restart policies could not be applied: ${messageOf(error)}`));
    log.info(`${await stop}: the daemon stops, containers go on`);
    return 0;
  } catch (error) {
    writeSync(2, `gantry daemon: ${messageOf(error)}\n`);
    return error instanceof EngineError && error.kind === "invalid" ? 125 : 1;
  }
}
