import { writeFileSync } from "node:fs";
import { ApiError, type EngineClient, jsonLines } from "../../client/index.ts";
import { randomHex } from "../../platform/index.ts";
import { parseBytes } from "../../units/index.ts";
import {
  type BuildProgressEvent,
  PLATFORM,
  type ProgressMessage,
  type VersionReply,
} from "../../wire/index.ts";
import { registryConfigHeader } from "../account/accounts.ts";
import { type Caches, fetchCaches, parseCaches, sendCaches } from "../build/caches.ts";
import { buildClassic } from "../build/classic.ts";
import { compressed } from "../build/compress.ts";
import { contextOf, type SentContext } from "../build/context.ts";
import { sendNamedContexts } from "../build/named-contexts.ts";
import { parseOutputs, writeOutputs } from "../build/outputs.ts";
import { type BuildDisplay, LiveDisplay, PlainDisplay, quietDisplay, rawDisplay } from "../build/progress.ts";
import { readAgents, readSecrets } from "../build/secrets.ts";
import { enterShell, requireTerminal } from "../build/shell.ts";
import { bool, type Command, type Invocation, int, list, string } from "../command/command.ts";
import type { FlagValues } from "../command/flags.ts";
import { ExitError } from "../command/usage-error.ts";
import { print, printError, printLine, writeOut } from "../output/print.ts";

export const build: Command = {
  name: "build",
  usage: "[OPTIONS] PATH | URL | -",
  description: "Build an image from a Dockerfile",
  aliases: ["build", "image build", "builder build"],
  flags: [
    list("add-host", 'Add a custom host-to-IP mapping ("host:ip")'),
    list("allow", 'Allow what is refused by default ("network.host", "security.insecure")'),
    list("attest", 'What shall be said of the image ("type=sbom", "type=provenance,mode=max")'),
    list("build-arg", "Set build-time variables"),
    list(
      "build-context",
      "Files or an image by a name (NAME=FOLDER, NAME=ADDRESS, NAME=docker-image://IMAGE)",
    ),
    list(
      "cache-from",
      'Where cached results are looked for ("IMAGE", "type=registry,ref=…", "type=local,src=…")',
    ),
    list(
      "cache-to",
      'Where cached results go ("type=inline", "type=registry,ref=…,mode=max", "type=local,dest=…")',
    ),
    string("cgroup-parent", 'Parent control group of the "RUN" instructions'),
    bool("check", "Look for mistakes in the Dockerfile, and build nothing"),
    bool("compress", "Compress the build context with gzip on its way"),
    int("cpu-period", "Limit the CPU CFS period"),
    int("cpu-quota", "Limit the CPU CFS quota"),
    int("cpu-shares", "CPU shares (relative weight)", { short: "c" }),
    string("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    string("cpuset-mems", "Memory nodes in which to allow execution (0-3, 0,1)"),
    string("file", 'Name of the Dockerfile (default "PATH/Dockerfile"; "-" for stdin)', { short: "f" }),
    string("iidfile", "Write the image ID to a file"),
    bool("force-rm", "Keep no intermediate containers, also after a failure (none are ever kept)"),
    string("isolation", 'Isolation technology of containers (only "default" on Linux)'),
    list("label", "Set metadata for an image"),
    string("memory", "Memory limit", { short: "m", type: "bytes" }),
    string("memory-swap", "Memory plus swap; -1 for unlimited swap", { type: "bytes" }),
    string("metadata-file", "Write the result's metadata to a file, as JSON"),
    string("network", 'Network of the "RUN" instructions', { fallback: "default" }),
    bool("no-cache", "Do not use the cache"),
    list("no-cache-filter", "Do not use the cache for these stages"),
    string("on-error", 'What a RUN that fails does ("shell": open a shell in the state before it)'),
    list("output", 'Where the result goes ("type=local,dest=path", "type=oci,dest=file", …)', { short: "o" }),
    string("platform", "Set the target platform"),
    string("provenance", 'Shorthand for "--attest type=provenance" (true, mode=min, mode=max)'),
    string("progress", "How progress is shown: auto, tty, plain, quiet, rawjson", { fallback: "auto" }),
    bool("pull", "Always look for a newer base image"),
    bool("quiet", "Print the image ID only", { short: "q" }),
    bool("rm", "Keep no intermediate containers after a success (none are ever kept)", { fallback: "true" }),
    string("sbom", 'Shorthand for "--attest type=sbom" (true)'),
    list("secret", "Secret for the build (id=ID,src=FILE or id=ID,env=NAME)"),
    list("security-opt", "Security options"),
    string("shm-size", "Size of /dev/shm", { type: "bytes" }),
    list("ssh", "SSH agent for the build (default, or ID=SOCKET)"),
    list("tag", 'Name and optionally a tag ("name:tag")', { short: "t" }),
    string("target", "Build up to this stage"),
    list("ulimit", "Ulimit options (name=soft:hard)"),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [place = ""], client }) {
    if (!flags.bool("rm"))
      throw new ExitError(1, "--rm=false is not supported: a build has no intermediate containers to keep");
    const [plain, { Platform }] = await Promise.all([
      contextOf(place, flags.string("file")),
      client.json<VersionReply>("GET", "/version"),
    ]);
    const context = flags.bool("compress") ? compressed(plain) : plain;
    if (Platform?.Name === PLATFORM) return buildHere({ flags, client }, context);
    const id = await buildClassic(client, flags, queryOf(flags), context);
    writeResult(flags, id);
    if (flags.bool("quiet")) await printLine(id);
    return 0;
  },
};

async function buildHere(
  { flags, client }: Pick<Invocation, "flags" | "client">,
  context: SentContext,
): Promise<number> {
  const outputs = parseOutputs(flags.list("output"));
  requireTerminal(flags.string("on-error"));
  const caches = parseCaches(flags.list("cache-from"), flags.list("cache-to"));
  const session = randomHex(16);
  await offerSecrets(flags, client, session);
  await sendCaches(client, session, caches.sourceFolders);
  const contexts = await sendNamedContexts(client, session, flags.list("build-context"), flags.bool("check"));
  const query = { ...queryOf(flags), ...cacheQuery(caches), ...context.query, contexts, session };
  if (flags.bool("check")) return check(client, query, context);
  const display = displayOf(flags);
  const id = await run(client, query, context, display).finally(() => display.close());
  writeResult(flags, id);
  await fetchCaches(client, session, caches.targetFolders);
  await writeOutputs(client, id, outputs, flags.list("tag"));
  if (flags.bool("quiet")) await printLine(id);
  return 0;
}

/** Files that a script reads the result from. */
function writeResult(flags: FlagValues, id: string): void {
  if (flags.string("iidfile") !== "") writeFileSync(flags.string("iidfile"), id);
  if (flags.string("metadata-file") !== "") {
    const names = flags.list("tag").join(",");
    const metadata = {
      "containerimage.config.digest": id,
      ...(names === "" ? {} : { "image.name": names }),
    };
    writeFileSync(flags.string("metadata-file"), `${JSON.stringify(metadata, undefined, 2)}\n`);
  }
}

function queryOf(flags: FlagValues) {
  const bytes = (name: string) => (flags.string(name) === "" ? undefined : parseBytes(flags.string(name)));
  const swap = flags.string("memory-swap");
  const pairs = (name: string) =>
    flags.list(name).map((word): [string, string | null] => {
      const equals = word.indexOf("=");
      // A name alone takes its value from here, and without one here unsets the argument.
      return equals < 0 ? [word, process.env[word] ?? null] : [word.slice(0, equals), word.slice(equals + 1)];
    });
  const json = (name: string) =>
    flags.list(name).length === 0 ? undefined : JSON.stringify(Object.fromEntries(pairs(name)));
  const args = pairs("build-arg");
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (epoch !== undefined && !args.some(([key]) => key === "SOURCE_DATE_EPOCH"))
    args.push(["SOURCE_DATE_EPOCH", epoch]);
  return {
    progress: "events",
    t: flags.list("tag"),
    target: flags.optional("target"),
    buildargs: args.length === 0 ? undefined : JSON.stringify(Object.fromEntries(args)),
    labels: json("label"),
    nocache: flags.bool("no-cache") ? 1 : undefined,
    nocachefilter: flags.list("no-cache-filter"),
    pull: flags.bool("pull") ? 1 : undefined,
    platform: flags.optional("platform"),
    networkmode: flags.string("network"),
    extrahosts: flags.list("add-host"),
    allow: flags.list("allow"),
    attests: attestsOf(flags),
    isolation: flags.optional("isolation"),
    cgroupparent: flags.optional("cgroup-parent"),
    cpuperiod: flags.int("cpu-period"),
    cpuquota: flags.int("cpu-quota"),
    cpushares: flags.int("cpu-shares"),
    cpusetcpus: flags.optional("cpuset-cpus"),
    cpusetmems: flags.optional("cpuset-mems"),
    memory: bytes("memory"),
    memswap: swap === "" ? undefined : swap === "-1" ? -1 : parseBytes(swap),
    shmsize: bytes("shm-size"),
    onerror: flags.optional("on-error"),
    securityopt: flags.list("security-opt"),
    ulimits:
      flags.list("ulimit").length === 0 ? undefined : JSON.stringify(flags.list("ulimit").map(ulimitOf)),
  };
}

/** As JSON from an attestation's type to what is said of it. */
function attestsOf(flags: FlagValues): string | undefined {
  const attests: Record<string, string> = {};
  for (const flag of flags.list("attest")) {
    const [, type] = /(?:^|,)type=([^,]+)/.exec(flag) ?? [];
    if (type === undefined)
      throw new ExitError(1, `invalid attestation ${flag}: want type=sbom or type=provenance`);
    attests[type] = flag;
  }
  for (const type of ["sbom", "provenance"]) if (flags.has(type)) attests[type] = flags.string(type);
  return Object.keys(attests).length === 0 ? undefined : JSON.stringify(attests);
}

function ulimitOf(text: string) {
  const [, Name, soft = "", hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (Name === undefined) throw new ExitError(125, `invalid ulimit argument: ${text}`);
  return { Name, Soft: Number(soft), Hard: Number(hard) };
}

async function offerSecrets(flags: FlagValues, client: EngineClient, session: string): Promise<void> {
  if (flags.list("secret").length + flags.list("ssh").length === 0) return;
  const body = {
    secrets: readSecrets(flags.list("secret")),
    agents: readAgents(flags.list("ssh"), client.host),
  };
  await client.json("POST", "/build/secrets", { session }, body);
}

function displayOf(flags: FlagValues): BuildDisplay {
  const write = (text: string) => void writeOut(2, new TextEncoder().encode(text));
  const wanted = flags.bool("quiet") ? "quiet" : flags.string("progress");
  switch (wanted) {
    case "auto":
    case "tty":
      if (wanted === "tty" || process.stderr.isTTY)
        return new LiveDisplay(write, () => ({
          rows: process.stderr.rows ?? 24,
          columns: process.stderr.columns ?? 80,
        }));
      return new PlainDisplay(write);
    case "plain":
      return new PlainDisplay(write);
    case "rawjson":
      return rawDisplay(write);
    case "quiet":
      return quietDisplay;
    default:
      throw new ExitError(125, `invalid progress mode ${wanted}: use auto, tty, plain, quiet or rawjson`);
  }
}

const cacheQuery = ({ from, to }: Caches) => ({
  cachefrom: from.length === 0 ? undefined : JSON.stringify(from),
  cacheto: to.length === 0 ? undefined : JSON.stringify(to),
});

type Query = ReturnType<typeof queryOf> & { readonly session: string };

/** Resolves with the image's id; a failure is shown with its place and becomes the exit code. */
async function run(
  client: EngineClient,
  query: Query,
  context: SentContext,
  display: BuildDisplay,
): Promise<string> {
  await using call = await send(client, "/build", query, context);
  let id = "";
  let place = "";
  for await (const message of jsonLines<ProgressMessage>(call.response.body)) {
    if (message.error !== undefined) {
      display.close();
      if (place !== "") printError(`\n${named(place, context).trimEnd()}`);
      throw new ExitError(message.errorDetail?.code ?? 1, `ERROR: ${named(message.error, context)}`);
    }
    if (message.stream !== undefined) place = message.stream;
    const event = message.id === "gantry.build.event" ? (message.aux as BuildProgressEvent) : undefined;
    if (event === undefined) continue;
    if (event.kind === "image") id = event.id;
    if (event.kind === "shell") {
      display.pause();
      await enterShell(client, event.id);
      continue;
    }
    display.show(event);
  }
  return id;
}

/** The context and the accounts that registries may ask for, to one of the engine's ends for builds. */
async function send(client: EngineClient, path: string, query: Query, context: SentContext) {
  const headers = await registryConfigHeader();
  const body = await context.body(client, query.session);
  return client.call("POST", path, query, body, headers).catch((error) => {
    throw error instanceof ApiError ? new ApiError(error.status, named(error.message, context)) : error;
  });
}

const named = (text: string, { names: [sent, known] }: SentContext) =>
  sent === "" ? text : text.replaceAll(sent, known);

interface CheckReply {
  Findings: { rule: string; message: string; url: string; line: number; excerpt: string }[];
  Fails: boolean;
}

async function check(client: EngineClient, query: Query, context: SentContext): Promise<number> {
  await using call = await send(client, "/build/check", query, context);
  let text = "";
  for await (const bytes of call.response.body) text += Buffer.from(bytes).toString("utf8");
  const { Findings: findings } = JSON.parse(text) as CheckReply;
  if (findings.length === 0) {
    await printLine("Check complete, no warnings found.");
    return 0;
  }
  await printLine(
    `Check complete, ${findings.length} ${findings.length === 1 ? "warning has" : "warnings have"} been found!`,
  );
  for (const { rule, message, url, excerpt } of findings)
    await print(`\nWARNING: ${rule} - ${url}\n${message}\n${named(excerpt, context)}\n`);
  return 1;
}
