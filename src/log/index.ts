export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** The daemon's own log: one line an entry on stderr. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error";
}

/** JSON lines through pino, written at once so that nothing is lost in a crash. Loaded on use: the client never pays for it. */
export async function createLog(options: LogOptions): Promise<Log> {
  const { pino } = await import("pino");
  const logger = pino(
    {
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      base: null,
      messageKey: "message",
    },
    pino.destination({ dest: 2, sync: true }),
  );
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
  };
}
