import { invalid } from "../errors/index.ts";
import {
  familiarName,
  familiarString,
  isTag,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../reference/index.ts";

/** The name as rows have it: registry, path and tag in full. */
export function fullName({ registry, path, tag = "latest" }: Reference): string {
  return `${registry}/${path}:${tag}`;
}

/** The repository as rows have it. */
export function fullRepository({ registry, path }: Reference): string {
  return `${registry}/${path}`;
}

/** "docker.io/library/busybox:latest" as people write it: "busybox:latest". */
export function familiar(name: string): string {
  return familiarString(parseReference(name));
}

/** "busybox@sha256:…" */
export function familiarDigest({ repository, digest }: { repository: string; digest: string }): string {
  return `${familiarName(parseReference(repository))}@${digest}`;
}

/** The repository of a full name as people write it: "busybox". */
export function familiarRepository(name: string): string {
  return familiarName(parseReference(name));
}

/** The full name for a repository and tag as a client gives them apart. Throws invalid in Docker's words. */
export function nameFrom(repository: string, tag: string): string {
  const reference = parseReference(repository);
  if (reference.digest !== undefined) throw invalid("refusing to create a tag with a digest reference");
  if (tag !== "" && !isTag(tag)) throw invalid("invalid tag format");
  return fullName(withDefaultTag(tag === "" ? reference : { ...reference, tag }));
}
