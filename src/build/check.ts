import { lintDockerfile, parseDockerfile } from "../dockerfile/index.ts";
import { takeContext } from "./context/incoming.ts";
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
  return { file: name, source: text, ...lintDockerfile(parseDockerfile(text, name)) };
}
