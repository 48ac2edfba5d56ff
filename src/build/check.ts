import { type Dockerfile, lintDockerfile, parseDockerfile } from "../dockerfile/index.ts";
import { EngineError } from "../errors/index.ts";
import { type IncomingContext, takeContext } from "./context/incoming.ts";
import type { BuildContext } from "./dependencies.ts";
import type { BuildRequest, CheckReport } from "./service.ts";

/** Findings about a Dockerfile and its context; nothing is built. Throws DockerfileError for one that cannot be read. */
export async function checkDockerfile(
  context: BuildContext,
  request: BuildRequest,
  signal: AbortSignal,
): Promise<CheckReport> {
  await using files = await takeContext(context, request.source, request.dockerfile, signal);
  const { name, text } = files.dockerfile;
  return { file: name, source: text, ...lint(context, request, parseDockerfile(text, name), files) };
}

/** Findings with what is known of the context and of the images that are here. */
export function lint(
  { images }: BuildContext,
  { buildArgs }: BuildRequest,
  file: Dockerfile,
  { ignore }: IncomingContext,
): ReturnType<typeof lintDockerfile> {
  const check = buildArgs.get("BUILDKIT_DOCKERFILE_CHECK");
  return lintDockerfile(file, {
    ignore,
    environmentOf(image) {
      try {
        return (images.inspect(image).Config.Env ?? []).map((entry) => entry.split("=", 1)[0] ?? "");
      } catch (error) {
        // One that is not here, or has a name that is none.
        if (error instanceof EngineError) return undefined;
        throw error;
      }
    },
    ...(check === undefined ? {} : { check }),
  });
}
