import type { CacheMode, CacheSource, CacheTarget } from "../../build/index.ts";
import { invalid, unsupported } from "../../errors/index.ts";
import { parseReference } from "../../reference/index.ts";
import { object } from "./fields.ts";

/** What a cache may be told besides its type; other words of BuildKit's are refused rather than ignored. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  inline: [],
  registry: ["ref", "mode", "ignore-error", "image-manifest", "oci-mediatypes"],
  local: ["name", "mode"],
};

/** One item of `cachefrom`: an image's name, or BuildKit's {"Type", "Attrs"}. */
export function parseCacheSource(value: unknown): CacheSource {
  const { type, attrs } = parseEntry(value, "cachefrom");
  if (type === "local") return { kind: "local", name: required(attrs, "name") };
  if (type === "inline")
    throw unsupported("a cache of type inline is read from its image: use type=registry,ref=IMAGE");
  return { kind: "registry", ref: reference(attrs) };
}

/** One item of `cacheto`. */
export function parseCacheTarget(value: unknown): CacheTarget {
  const { type, attrs } = parseEntry(value, "cacheto");
  const mode = modeOf(attrs.get("mode") ?? "min");
  if (attrs.get("image-manifest") === "false" || attrs.get("oci-mediatypes") === "false")
    throw unsupported(
      "a cache is written as an OCI image manifest: image-manifest and oci-mediatypes cannot be false",
    );
  if (type === "inline") return { kind: "inline" };
  if (type === "local") return { kind: "local", name: required(attrs, "name"), mode };
  return { kind: "registry", ref: reference(attrs), mode, ignoreError: attrs.get("ignore-error") === "true" };
}

function parseEntry(value: unknown, what: string): { type: string; attrs: ReadonlyMap<string, string> } {
  if (typeof value === "string") return { type: "registry", attrs: new Map([["ref", value]]) };
  const { Type: type = "", Attrs: given } = object(value, what);
  const attrs = new Map<string, string>();
  for (const [key, text] of Object.entries(object(given ?? {}, what))) {
    if (typeof text !== "string") throw invalid(`${what}: ${key} must be a string`);
    attrs.set(key, text);
  }
  const known = typeof type === "string" ? KNOWN[type] : undefined;
  if (known === undefined || typeof type !== "string")
    throw unsupported(`a cache of type ${String(type)} is not supported: use inline, registry or local`);
  for (const key of attrs.keys())
    if (!known.includes(key)) throw unsupported(`a cache of type ${type} does not take ${key}`);
  return { type, attrs };
}

function required(attrs: ReadonlyMap<string, string>, key: string): string {
  const value = attrs.get(key) ?? "";
  if (value === "") throw invalid(`the cache needs ${key}=`);
  return value;
}

function reference(attrs: ReadonlyMap<string, string>): string {
  const ref = required(attrs, "ref");
  parseReference(ref);
  return ref;
}

function modeOf(text: string): CacheMode {
  if (text !== "min" && text !== "max") throw invalid(`invalid cache mode ${text}: want min or max`);
  return text;
}
