import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "../../errors/index.ts";
import type { TlsOptions } from "../../platform/channel/index.ts";
import { configPath } from "../account/config-file.ts";
import type { FlagValues } from "../command/flags.ts";
import { UsageError } from "../command/usage-error.ts";
import { currentContext, DEFAULT_CONTEXT, readContext } from "./store.ts";

/** Where a daemon is, and how it is spoken to. */
export interface Endpoint {
  readonly host: string;
  readonly tls: TlsOptions | undefined;
}

/**
 * The daemon that a command line means: --host, --context, $GANTRY_HOST and $DOCKER_HOST, $DOCKER_CONTEXT, the current
 * context, `own`; the first of these. Throws UsageError for both flags, an Error for a context or certificate that is not there.
 */
export function endpointOf(flags: FlagValues, own: string): Endpoint {
  const given = flags.string("host");
  if (given !== "" && flags.has("context"))
    throw new UsageError("conflicting options: cannot specify both --host and --context");
  const name = given === "" ? flags.string("context") || currentContext() : DEFAULT_CONTEXT;
  if (name === DEFAULT_CONTEXT) {
    const host = given || process.env.GANTRY_HOST || process.env.DOCKER_HOST || own;
    return { host, tls: tlsOfFlags(flags) };
  }
  const { host, certificates, skipsVerification } = readContext(name);
  const tls =
    certificates === undefined && !skipsVerification
      ? undefined
      : readTls({ folder: certificates ?? "", verify: !skipsVerification });
  return { host, tls };
}

function tlsOfFlags(flags: FlagValues): TlsOptions | undefined {
  const verify = flags.has("tlsverify") ? flags.bool("tlsverify") : Boolean(process.env.DOCKER_TLS_VERIFY);
  if (!verify && !flags.bool("tls")) return undefined;
  return readTls({
    folder: process.env.DOCKER_CERT_PATH || dirname(configPath()),
    verify,
    ca: flags.optional("tlscacert"),
    cert: flags.optional("tlscert"),
    key: flags.optional("tlskey"),
  });
}

/** Files that are named have to be there; those of the folder need not. */
function readTls(files: {
  folder: string;
  verify: boolean;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}): TlsOptions {
  const read = (what: string, name: "ca" | "cert" | "key") => {
    const file = files[name] ?? join(files.folder, `${name}.pem`);
    if (files[name] === undefined && !existsSync(file)) return {};
    try {
      return { [name]: readFileSync(file, "utf8") };
    } catch (cause) {
      throw new Error(`could not read ${what} ${JSON.stringify(file)}: ${messageOf(cause)}`, { cause });
    }
  };
  return {
    ...(files.verify ? read("CA certificate", "ca") : {}),
    ...read("certificate", "cert"),
    ...read("key", "key"),
    rejectUnauthorized: files.verify,
  };
}
