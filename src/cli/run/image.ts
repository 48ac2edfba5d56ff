import { ApiError, type EngineClient } from "../../client/index.ts";
import { familiarString, parseReference, withDefaultTag } from "../../reference/index.ts";
import { registryAuthHeader } from "../account/accounts.ts";
import { printError } from "../output/print.ts";
import { showProgress } from "../output/progress.ts";

/** Pull an image, telling its progress on `fd`. */
export async function pullImage(
  client: EngineClient,
  image: string,
  { platform, quiet, fd, allTags }: { platform: string; quiet: boolean; fd: 1 | 2; allTags?: boolean },
): Promise<void> {
  const { registry, tag, digest } = withDefaultTag(parseReference(image));
  if (allTags === true) return pullAllTags(client, image, registry, { platform, quiet, fd });
  const query = {
    fromImage: image.replace(/@.*$/, "").replace(/:[^:/]+$/, ""),
    tag: digest ?? tag,
    platform: platform === "" ? undefined : platform,
  };
  const headers = await registryAuthHeader(registry);
  await showProgress(client.progress("/images/create", query, undefined, headers), { quiet, fd });
}

async function pullAllTags(
  client: EngineClient,
  image: string,
  registry: string,
  { platform, quiet, fd }: { platform: string; quiet: boolean; fd: 1 | 2 },
): Promise<void> {
  const query = { fromImage: image, tag: "", platform: platform === "" ? undefined : platform };
  const headers = await registryAuthHeader(registry);
  await showProgress(client.progress("/images/create", query, undefined, headers), { quiet, fd });
}

/** Run `work`, and once more after a pull when the daemon does not have the image. */
export async function withImage<T>(
  client: EngineClient,
  image: string,
  how: { policy: string; platform: string; quiet: boolean },
  work: () => Promise<T>,
): Promise<T> {
  const pull = () => pullImage(client, image, { ...how, fd: 2 });
  if (how.policy === "always") {
    await pull();
    return work();
  }
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404 && /no such image/i.test(error.message)))
      throw error;
    if (how.policy === "never") throw error;
    printError(`Unable to find image '${familiarString(withDefaultTag(parseReference(image)))}' locally`);
    await pull();
    return work();
  }
}
