import { DockerfileError } from "./dockerfile-error.ts";
import { booleanField, csvFields } from "./flag-fields.ts";
import type { MountFlag, MountType } from "./instructions.ts";
import type { Location } from "./location.ts";
import { hasVariable } from "./words.ts";

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/** Which keys a type takes. Others are refused by name. */
const KEYS: Readonly<Record<MountType, readonly string[]>> = {
  bind: ["target", "source", "from", "readwrite", "readonly"],
  cache: ["id", "target", "source", "from", "sharing", "mode", "uid", "gid", "readonly", "readwrite"],
  tmpfs: ["target", "size", "readonly", "readwrite"],
  secret: ["id", "source", "target", "env", "required", "mode", "uid", "gid"],
  ssh: ["id", "target", "required", "mode", "uid", "gid"],
};

const SPELLINGS: Readonly<Record<string, string>> = {
  dst: "target",
  destination: "target",
  src: "source",
  ro: "readonly",
  rw: "readwrite",
};
const BOOLEANS = new Set(["readonly", "readwrite", "required"]);

/** The keys and values of `--mount=type=T,key=value,…`, keys in their one spelling. */
function fieldsOf(text: string, location: Location): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of csvFields(text, location)) {
    const equals = field.indexOf("=");
    const written = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const key = Object.hasOwn(SPELLINGS, written) ? (SPELLINGS[written] ?? written) : written;
    if (equals < 0 && !BOOLEANS.has(key))
      throw new DockerfileError(location, `invalid field '${field}' must be a key=value pair`);
    const value = equals < 0 ? "true" : field.slice(equals + 1);
    if (key === "from" && hasVariable(value))
      throw new DockerfileError(
        location,
        "'from' doesn't support variable expansion, define alias stage instead",
      );
    fields.set(key, value);
  }
  return fields;
}

/** Refuse what is wrong with a mount as far as that can be told without the values of its variables. Throws DockerfileError. */
export function checkMountFlag(text: string, location: Location): void {
  if (hasVariable(text)) fieldsOf(text, location);
  else parseMountFlag(text, location, (value) => value);
}

/** `--mount=type=T,key=value,…` with the values of its variables put in by `put`. Throws DockerfileError. */
export function parseMountFlag(text: string, location: Location, put: (value: string) => string): MountFlag {
  const fields = fieldsOf(text, location);
  for (const [key, value] of fields) if (key !== "from") fields.set(key, put(value));
  const type = typeOf(fields.get("type") ?? "bind", location);
  fields.delete("type");
  for (const key of fields.keys()) {
    if (KEYS[type].includes(key)) continue;
    const isKnown = Object.values(KEYS).some((keys) => keys.includes(key));
    throw new DockerfileError(
      location,
      isKnown
        ? `unexpected key '${key}' for mount type '${type}'`
        : `unexpected key '${key}' in mount '${text}'`,
      KEYS[type].join(", "),
    );
  }
  const value = (key: string) => fields.get(key) ?? "";
  const flag = (key: string) => booleanField(fields.get(key) ?? "false", key, location);
  const mount: MountFlag = {
    type,
    target: value("target"),
    source: value("source"),
    from: value("from"),
    id: type === "secret" ? value("id") || value("source") : value("id"),
    env: value("env"),
    sharing: value("sharing"),
    size: value("size"),
    mode: value("mode"),
    uid: value("uid"),
    gid: value("gid"),
    readonly: flag("readonly") || (type === "bind" && !flag("readwrite")),
    required: flag("required"),
  };
  if (mount.target === "" && (type === "bind" || type === "cache" || type === "tmpfs")) {
    throw new DockerfileError(
      location,
      `invalid mount ${text}: target is required for ${type}`,
      `--mount=type=${type},target=PATH`,
    );
  }
  if (type === "secret") {
    if (mount.id === "" && mount.target === "")
      throw new DockerfileError(location, "invalid secret mount: it needs an id or a target");
    if (fields.has("id") && fields.has("source"))
      throw new DockerfileError(location, "both source and id can't be set");
  }
  if (mount.sharing !== "" && !/^(shared|private|locked)$/.test(mount.sharing)) {
    throw new DockerfileError(
      location,
      `unsupported sharing value "${mount.sharing}"`,
      "shared, private or locked",
    );
  }
  return mount;
}

function typeOf(text: string, location: Location): MountType {
  const type = TYPES.find((known) => known === text.toLowerCase());
  if (type === undefined)
    throw new DockerfileError(location, `unsupported mount type "${text}"`, TYPES.join(", "));
  return type;
}
