import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { detectCompression, type TarMember, writeTar } from "../../archive/index.ts";
import type { EngineClient } from "../../client/index.ts";
import { type IgnoreRules, ignorePatterns, ignoreRules, isContextAddress } from "../../dockerfile/index.ts";
import { randomHex } from "../../platform/index.ts";
import { ExitError } from "../command/usage-error.ts";
import { packContext } from "./pack-context.ts";
import { sendContext } from "./send-context.ts";

/** What is sent with a build, and what the engine is told of it. */
export interface SentContext {
  /** The body of the build's request; what the engine has of the context already is not in it. */
  body(client: EngineClient, session: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The body for an engine that has to be sent the whole. */
  archive(): Promise<AsyncIterable<Uint8Array> | undefined>;
  readonly query: Readonly<Record<string, string>>;
  /** The name under which the Dockerfile is sent, and the one a person knows it by. */
  readonly names: readonly [sent: string, known: string];
}

/** What of a folder stays out of a context. */
export const contextRules = (patterns: readonly string[]): IgnoreRules =>
  ignoreRules(patterns.map((pattern) => Buffer.from(pattern, "utf8").toString("latin1")));

/** The patterns of an ignore file; none without one. */
export const patternsIn = (file: string | undefined): string[] =>
  file === undefined ? [] : ignorePatterns(readFileSync(file, "utf8"));

/** The context that a command line names: a folder, "-" for stdin, an address. Throws ExitError for what is not there. */
export async function contextOf(place: string, file: string): Promise<SentContext> {
  if (place === "-") {
    if (file === "-")
      throw new ExitError(1, "invalid argument: can't use stdin for both build context and dockerfile");
    return fromStdin(file);
  }
  if (isContextAddress(place)) {
    const nothing = async () => undefined;
    return {
      body: nothing,
      archive: nothing,
      query: { remote: place, dockerfile: file },
      names: ["", ""],
    };
  }
  if (!existsSync(place))
    throw new ExitError(1, `unable to prepare context: path ${JSON.stringify(place)} not found`);
  if (!statSync(place).isDirectory())
    throw new ExitError(1, `unable to prepare context: context must be a directory: ${place}`);
  return fromFolder(place, file);
}

async function fromFolder(folder: string, file: string): Promise<SentContext> {
  const path = file === "" ? defaultDockerfile(folder) : resolve(file);
  const text = file === "-" ? await textOfStdin() : readDockerfile(path);
  const known =
    file === "-" ? "Dockerfile" : relative(folder, path).startsWith("..") ? file : relative(folder, path);
  const own = `${path}.dockerignore`;
  const shared = join(folder, ".dockerignore");
  const ignoreFile = file !== "-" && existsSync(own) ? own : existsSync(shared) ? shared : undefined;
  const patterns = patternsIn(ignoreFile);
  // Sent under names of their own, so that a Dockerfile from elsewhere needs no place in the context, and one that is
  // ignored is not seen by COPY. The patterns go along, for the checks.
  const sent = `.gantry-${randomHex(8)}`;
  const extra = [
    { name: sent, content: text },
    { name: `${sent}.dockerignore`, content: [...patterns, sent, `${sent}.dockerignore`, ""].join("\n") },
  ];
  const rules = contextRules(patterns);
  return {
    body: (client, session) => sendContext(client, session, resolve(folder), rules, extra),
    archive: async () =>
      packContext(resolve(folder), rules, [
        { name: sent, content: text },
        { name: ".dockerignore", content: [...patterns, sent, ".dockerignore", ""].join("\n") },
      ]),
    query: { dockerfile: sent, context: "sent" },
    names: [sent, known || basename(path)],
  };
}

function defaultDockerfile(folder: string): string {
  const usual = join(folder, "Dockerfile");
  return existsSync(usual)
    ? usual
    : existsSync(join(folder, "dockerfile"))
      ? join(folder, "dockerfile")
      : usual;
}

function readDockerfile(path: string): string {
  if (!existsSync(path)) {
    throw new ExitError(
      1,
      `failed to read dockerfile: open ${basename(path)}: no such file or directory (in ${dirname(path)})`,
    );
  }
  return readFileSync(path, "utf8");
}

async function textOfStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

const TAR_MAGIC_AT = 257;

/** An archive goes on as it comes; anything else is a Dockerfile. */
async function fromStdin(file: string): Promise<SentContext> {
  const chunks: Buffer[] = [];
  let length = 0;
  const iterator: AsyncIterator<Buffer> = process.stdin[Symbol.asyncIterator]();
  while (length < TAR_MAGIC_AT + 5) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    length += next.value.length;
  }
  const head = Buffer.concat(chunks);
  const isArchive =
    detectCompression(head) !== "none" || head.toString("latin1", TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === "ustar";
  async function* all() {
    yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  if (isArchive) {
    const archive = async () => all();
    return { body: archive, archive, query: { dockerfile: file }, names: ["", ""] };
  }
  const rest: Buffer[] = [];
  for await (const chunk of all()) rest.push(chunk);
  const text = Buffer.concat(rest);
  const dockerfile: TarMember = {
    type: "file",
    path: "Dockerfile",
    sizeBytes: text.length,
    async *open() {
      yield text;
    },
  };
  const archive = async () => writeTar([dockerfile]);
  return {
    body: archive,
    archive,
    query: {},
    names: ["Dockerfile", "Dockerfile"],
  };
}
