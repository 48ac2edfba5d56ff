import { existsSync, statSync } from "node:fs";
import { posix } from "node:path";
import type { EngineClient } from "../../client/index.ts";
import type { FileCopier } from "../../runtime/files/index.ts";
import { ExitError } from "../command/usage-error.ts";
import { writeOut } from "../output/print.ts";
import { absolute, type CopyInfo, clean, destinationInfo, prepareCopy, rebase, splitPath } from "./paths.ts";
import { CopyProgress } from "./progress.ts";
import { archivePath, counted, isFolder, isLink, statOf, statRemote } from "./remote.ts";

export interface CopyRequest {
  readonly client: EngineClient;
  readonly copier: FileCopier;
  readonly container: string;
  readonly source: string;
  readonly destination: string;
  readonly followLink: boolean;
  readonly quiet: boolean;
}

/** Copy out of a container. Gives what was copied where, or undefined when it went to stdout. */
export async function copyFromContainer(
  request: CopyRequest,
): Promise<{ bytes: number; place: string } | undefined> {
  const { client, copier, container, destination } = request;
  const toStdout = destination === "-";
  const place = absolute(destination);
  if (!toStdout) validateOutputPath(place);
  const source = await followed(request);
  await using call = await client.call("GET", archivePath(container), { path: source.path });
  if (toStdout) {
    for await (const bytes of call.response.body) await writeOut(1, bytes);
    return undefined;
  }
  const info: CopyInfo = { ...source, exists: true, isFolder: isFolder(statOf(call.response.headers)) };
  const { folder, rename } = prepareCopy(info, await destinationInfo(place));
  using progress = new CopyProgress("from", request.quiet);
  const archive = counted(call.response.body, progress.count);
  const ownName = splitPath(info.path).base;
  const renamed = rename ?? (info.rebaseName === "" ? undefined : ([ownName, info.rebaseName] as const));
  const options = {
    keepKinds: true,
    owner: "self",
    ...(renamed === undefined ? {} : { rename: [ownName === "/" ? "" : ownName, renamed[1]] as const }),
  };
  await copier.unpack(absolute(folder), archive, options, new AbortController().signal);
  return { bytes: archive.bytes, place };
}

/** With --follow-link what the link leads to, under the link's name. */
async function followed({
  client,
  container,
  source,
  followLink,
}: CopyRequest): Promise<{ path: string; rebaseName: string }> {
  const stat = followLink ? await statRemote(client, container, source) : undefined;
  if (stat === undefined || !isLink(stat)) return { path: source, rebaseName: "" };
  const { linkTarget } = stat;
  return rebase(
    source,
    posix.isAbsolute(linkTarget) ? linkTarget : posix.join(splitPath(source).folder, linkTarget),
  );
}

function validateOutputPath(path: string): void {
  const folder = posix.dirname(clean(path));
  if (!existsSync(folder))
    throw new ExitError(1, `invalid output path: directory ${JSON.stringify(folder)} does not exist`);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isCharacterDevice() || found?.isBlockDevice())
    throw new ExitError(
      1,
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got a device`,
    );
}
