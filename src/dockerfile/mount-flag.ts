import { DockerfileError } from "./dockerfile-error.ts";
import type { MountFlag, MountType } from "./instructions.ts";
import type { Location } from "./location.ts";

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/** Which keys a type takes. Others are refused by name. */
const KEYS: Readonly<Record<MountType, readonly string[]>> = {
  bind: ["target", "source", "from", "readwrite", "readonly"],
  cache: ["id", "target", "source", "from", "sharing", "mode", "uid", "gid", "readonly", "readwrite"],
  tmpfs: ["target", "size"],
  secret: ["id", "target", "env", "required", "mode", "uid", "gid"],
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

/** `--mount=type=T,key=value,…`. Throws DockerfileError. */
export function parseMountFlag(text: string, location: Location): MountFlag {
  const fields = new Map<string, string>();
  for (const field of csvFields(text, location)) {
    const equals = field.indexOf("=");
    const written = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const key = Object.hasOwn(SPELLINGS, written) ? (SPELLINGS[written] ?? written) : written;
    if (equals < 0 && !BOOLEANS.has(key))
      throw new DockerfileError(location, `invalid field '${field}' must be a key=value pair`);
    fields.set(key, equals < 0 ? "true" : field.slice(equals + 1));
  }
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
  const flag = (key: string) => booleanOf(fields.get(key), key, location);
  const mount: MountFlag = {
    type,
    target: value("target"),
    source: value("source"),
    from: value("from"),
    id: value("id"),
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
  if (type === "secret" && mount.id === "" && mount.target === "") {
    throw new DockerfileError(location, "invalid secret mount: it needs an id or a target");
  }
  if (
    mount.sharing !== "" &&
    !/^(shared|private|locked)$/.test(mount.sharing) &&
    !mount.sharing.includes("$")
  ) {
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

function booleanOf(text: string | undefined, key: string, location: Location): boolean {
  if (text === undefined) return false;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new DockerfileError(location, `invalid value for ${key}: ${text}`, "true or false");
}

/** One record of CSV (RFC 4180): a field in double quotes may hold commas, and quotes doubled. */
function csvFields(text: string, location: Location): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text.charAt(at) !== '"') {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      fields.push(text.slice(at, end));
      at = end + 1;
      continue;
    }
    const [quoted = ""] = /^"(?:[^"]|"")*"(?=,|$)/.exec(text.slice(at)) ?? [];
    if (quoted === "") throw new DockerfileError(location, `failed to parse csv mounts: ${text}`);
    fields.push(quoted.slice(1, -1).replaceAll('""', '"'));
    at += quoted.length + 1;
  }
  return fields.filter((field) => field !== "");
}
