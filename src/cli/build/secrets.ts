import { readFileSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import { ExitError } from "../command/usage-error.ts";

/** `--secret id=ID[,src=FILE|,env=NAME]`: the values by id, in base64. Throws ExitError. */
export function readSecrets(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.map((flag) => {
      const fields = new Map(
        flag.split(",").map((field) => {
          const equals = field.indexOf("=");
          return equals < 0 ? [field, ""] : [field.slice(0, equals), field.slice(equals + 1)];
        }),
      );
      for (const key of fields.keys())
        if (!["id", "src", "source", "env", "type"].includes(key))
          throw new ExitError(1, `unexpected key '${key}' in '${flag}'`);
      const file = fields.get("src") ?? fields.get("source");
      const env = fields.get("env");
      const id = fields.get("id") ?? (file === undefined ? "" : basename(file));
      if (id === "") throw new ExitError(1, `invalid secret ${JSON.stringify(flag)}: it needs an id`);
      if (file !== undefined) return [id, readSecret(file)];
      return [
        id,
        Buffer.from(
          process.env[env ?? id] ?? missing(`environment variable ${env ?? id} is not set`),
        ).toString("base64"),
      ];
    }),
  );
}

function readSecret(file: string): string {
  try {
    return readFileSync(file).toString("base64");
  } catch (error) {
    return missing(`failed to read secret ${file}: ${errnoOf(error) ?? "error"}`);
  }
}

function missing(sentence: string): never {
  throw new ExitError(1, sentence);
}

/** `--ssh default|ID[=SOCKET]`: agents' sockets by id. Throws ExitError when there is no agent. */
export function readAgents(flags: readonly string[], host: string): Record<string, string> {
  if (flags.length > 0 && !host.startsWith("unix://"))
    throw new ExitError(
      1,
      "--ssh needs an engine on this machine: an agent's socket cannot be forwarded over TCP",
    );
  return Object.fromEntries(
    flags.map((flag) => {
      const [id = "default", socket = process.env.SSH_AUTH_SOCK ?? ""] = flag.split("=", 2);
      if (socket === "") missing("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
      if (statSync(socket, { throwIfNoEntry: false })?.isSocket() !== true)
        missing(`${socket} is no ssh agent's socket: --ssh takes the agent's, not a key`);
      return [id, resolve(socket)];
    }),
  );
}
