import { invalid } from "../errors/index.ts";

/**
 * A reference to an image in full: "busybox" is registry docker.io, path library/busybox. Grammar and normalisation
 * are those of the distribution project's reference package, which Docker, podman and containerd share.
 */
export interface Reference {
  /** Host with optional port. */
  readonly registry: string;
  /** Repository path within the registry. */
  readonly path: string;
  readonly tag?: string;
  /** "sha256:…" */
  readonly digest?: string;
}

export const DEFAULT_REGISTRY = "docker.io";
const DEFAULT_NAMESPACE = "library/";
const DEFAULT_TAG = "latest";

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const HOST =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_NAME = 255;

export const isTag = (text: string): boolean => TAG.test(text);

/** NAME[:TAG][@DIGEST] with Docker's defaults for registry and namespace. Throws invalid "invalid reference format". */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const { registry, path } = splitName(hasTag ? named.slice(0, colon) : named);
  if (path !== path.toLowerCase()) {
    throw invalid(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  const wellFormed =
    PATH.test(path) &&
    HOST.test(registry) &&
    registry.length + path.length < MAX_NAME &&
    (tag === undefined || TAG.test(tag)) &&
    (digest === undefined || DIGEST.test(digest));
  if (!wellFormed) throw invalid("invalid reference format");
  return {
    registry,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitName(name: string): { registry: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  // The first part is a host only when it looks like one.
  const isHost = /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first;
  const registry = isHost ? first : DEFAULT_REGISTRY;
  const rest = isHost ? name.slice(slash + 1) : name;
  if (registry === "index.docker.io" || registry === DEFAULT_REGISTRY) {
    return { registry: DEFAULT_REGISTRY, path: rest.includes("/") ? rest : DEFAULT_NAMESPACE + rest };
  }
  return { registry, path: rest };
}

/** The same with the tag "latest" when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: DEFAULT_TAG }
    : reference;
}

/** The repository as people write it: defaults left out ("busybox", "team/app", "host:5000/app"). */
export function familiarName({ registry, path }: Reference): string {
  if (registry !== DEFAULT_REGISTRY) return `${registry}/${path}`;
  const short = path.startsWith(DEFAULT_NAMESPACE) ? path.slice(DEFAULT_NAMESPACE.length) : path;
  return short.includes("/") ? path : short;
}

/** The whole reference as people write it: "busybox:latest", "busybox@sha256:…". */
export function familiarString(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return familiarName(reference) + tag + digest;
}
