import { lstat, realpath } from "node:fs/promises";
import { posix } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import { ExitError } from "../command/usage-error.ts";
import type { CopyRequest } from "./from-container.ts";
import { absolute, baseOf, type CopyInfo, prepareCopy, rebase, splitPath, systemError } from "./paths.ts";
import { CopyProgress } from "./progress.ts";
import { archivePath, counted, isDevice, isFolder, isLink, statRemote } from "./remote.ts";

/** Copy into a container. Gives what was copied where. */
export async function copyToContainer(
  request: CopyRequest & { readonly copyUidGid: boolean },
): Promise<{ bytes: number; place: string } | undefined> {
  const { client, copier, container, source, copyUidGid } = request;
  const destination = await remoteDestination(request);
  const send = async (folder: string, archive: AsyncIterable<Uint8Array>) => {
    await using _call = await client.call(
      "PUT",
      archivePath(container),
      { path: folder, noOverwriteDirNonDir: "true", ...(copyUidGid ? { copyUIDGID: "true" } : {}) },
      archive,
    );
  };
  if (source === "-") {
    if (!destination.isFolder)
      throw new ExitError(1, `destination "${container}:${request.destination}" must be a directory`);
    await send(destination.path, process.stdin);
    return undefined;
  }
  const info = await localSource(absolute(source), request.followLink);
  const { folder, rename } = prepareCopy(info, destination);
  const own = info.rebaseName || splitPath(info.path).base;
  const name = rename?.[1] ?? (own === "/" ? "" : own);
  const { content } = await copier.pack(info.path, name, new AbortController().signal);
  using progress = new CopyProgress("to", request.quiet);
  const archive = counted(content, progress.count);
  try {
    await send(folder, archive);
  } finally {
    content.destroy();
  }
  return { bytes: archive.bytes, place: `${container}:${destination.path}` };
}

/** What is at the destination, a link followed once: the daemon tells where it leads in the end. */
async function remoteDestination({ client, container, destination }: CopyRequest): Promise<CopyInfo> {
  let path = destination;
  let stat = await statRemote(client, container, path);
  if (stat !== undefined && isLink(stat)) {
    const { linkTarget } = stat;
    path = posix.isAbsolute(linkTarget) ? linkTarget : posix.join(splitPath(destination).folder, linkTarget);
    stat = await statRemote(client, container, path);
  }
  if (stat !== undefined && isDevice(stat))
    throw new ExitError(
      1,
      `destination "${container}:${destination}" must be a directory or a regular file: got a device`,
    );
  return { path, exists: stat !== undefined, isFolder: stat !== undefined && isFolder(stat), rebaseName: "" };
}

async function localSource(path: string, followLink: boolean): Promise<CopyInfo> {
  const resolved = followLink ? rebase(path, await real(path)) : await besideLinks(path);
  const found = await lstat(resolved.path).catch((error: unknown) => {
    if (errnoOf(error) === "ENOTDIR") throw new ExitError(1, "not a directory");
    throw systemError("lstat", resolved.path, error);
  });
  return { ...resolved, exists: true, isFolder: found.isDirectory() };
}

/** Links on the way are followed, the last part is not. */
async function besideLinks(path: string): Promise<{ path: string; rebaseName: string }> {
  const slash = path.lastIndexOf("/");
  const folder = await real(path.slice(0, slash) || "/");
  const resolved = `${folder === "/" ? "" : folder}/${path.slice(slash + 1)}`;
  const renamed = path.endsWith("/") && baseOf(path) !== baseOf(resolved);
  return { path: resolved, rebaseName: renamed ? baseOf(path) : "" };
}

const real = (path: string): Promise<string> =>
  realpath(path).catch((error: unknown) => {
    throw systemError("lstat", path, error);
  });
