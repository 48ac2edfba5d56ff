import {
  type Dockerfile,
  expand,
  findStage,
  type InstructionOf,
  lintDockerfile,
  parseDockerfile,
} from "../dockerfile/index.ts";
import { EngineError, messageOf } from "../errors/index.ts";
import { parseReference } from "../reference/index.ts";
import type { ImageConfig } from "../wire/index.ts";
import { type IncomingContext, takeContext } from "./context/incoming.ts";
import type { BuildContext } from "./dependencies.ts";
import { StepError } from "./events.ts";
import { BuildFailure } from "./failure.ts";
import { globalArgs, imageName } from "./plan/globals.ts";
import { formatPlatform, parsePlatform, platformArgs } from "./plan/platform.ts";
import type { BuildRequest, CheckReport } from "./service.ts";

/** Names in the environment of an image; undefined for one that is not known. */
type Environments = (image: string) => readonly string[] | undefined;

/**
 * Findings about a Dockerfile and its context; nothing is built. What base images set that are not here is asked of their
 * registries, as far as findings depend on it. Throws DockerfileError for a file that cannot be read, StepError for a base
 * image that cannot be asked for.
 */
export async function checkDockerfile(
  context: BuildContext,
  request: BuildRequest,
  signal: AbortSignal,
): Promise<CheckReport> {
  await using files = await takeContext(context, request.source, request.dockerfile, signal);
  const { name, text } = files.dockerfile;
  let parsed: Dockerfile | undefined;
  try {
    parsed = parseDockerfile(text, name);
    const remote = await remoteEnvironments(context, request, parsed, files, signal);
    return {
      file: name,
      source: text,
      ...lint(context, request, parsed, files, (image) => remote.get(image)),
    };
  } catch (error) {
    throw error instanceof EngineError ? new BuildFailure(error, files.dockerfile, parsed) : error;
  }
}

/** Findings with what is known of the context and of the images that are here; `remote` knows of others. */
export function lint(
  { images }: BuildContext,
  request: BuildRequest,
  file: Dockerfile,
  { ignore }: IncomingContext,
  remote: Environments = () => undefined,
): ReturnType<typeof lintDockerfile> {
  const check = request.buildArgs.get("BUILDKIT_DOCKERFILE_CHECK");
  return lintDockerfile(file, {
    ignore,
    imageOf: (from) => baseOf(file, request, from).image,
    environmentOf(image) {
      try {
        return namesIn(images.inspect(image).Config);
      } catch (error) {
        // One that is not here, or has a name that is none.
        if (error instanceof EngineError) return remote(image);
        throw error;
      }
    },
    ...(check === undefined ? {} : { check }),
  });
}

const namesIn = ({ Env }: ImageConfig): string[] => (Env ?? []).map((entry) => entry.split("=", 1)[0] ?? "");

async function remoteEnvironments(
  context: BuildContext,
  request: BuildRequest,
  file: Dockerfile,
  files: IncomingContext,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  const unknown = new Set<string>();
  const note = (image: string) => {
    unknown.add(image);
    return [];
  };
  const { findings } = lint(context, request, file, files, note);
  // A file that uses only what it sets itself is in order whatever its images set.
  if (!findings.some(({ rule }) => rule === "UndefinedVar")) return found;
  for (const [at, { from }] of file.stages.entries()) {
    const { image, platform } = baseOf(file, request, from);
    if (
      !unknown.has(image) ||
      request.namedContexts.has(image) ||
      found.has(image) ||
      findStage(file.stages, image, at) !== undefined
    )
      continue;
    try {
      const credentials = request.accounts(parseReference(image).registry);
      const how = { platform, ...(credentials === undefined ? {} : { credentials }) };
      found.set(image, namesIn(await context.images.configOf(image, how, signal)));
    } catch (error) {
      const { text, location } = from;
      const step = { step: at + 1, text, stage: from.stage, line: location.line, isMetadata: false };
      throw error instanceof EngineError ? new StepError(step, messageOf(error), { cause: error }) : error;
    }
  }
  return found;
}

/** The image and the platform that a FROM names with the arguments of this request; as written where they make no sense. */
function baseOf(
  file: Dockerfile,
  request: BuildRequest,
  from: InstructionOf<"FROM">,
): { image: string; platform: string } {
  try {
    const platform = parsePlatform(request.platform);
    const automatic = platformArgs(platform, request.target);
    const globals = globalArgs(file, request, automatic, new Set());
    const value = (text: string) => expand(text, file.escape, (name) => globals.get(name));
    const own = from.platform === "" ? platform : parsePlatform(value(from.platform));
    return { image: imageName(request, value(from.image)), platform: formatPlatform(own) };
  } catch (error) {
    if (error instanceof EngineError) return { image: from.image, platform: "" };
    throw error;
  }
}
