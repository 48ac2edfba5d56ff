import { parseBytes } from "../../units/index.ts";
import { UsageError } from "../command/usage-error.ts";
import { pairs } from "./pairs.ts";

/** "--mount type=bind,src=/a,dst=/b,readonly" as a Mount of HostConfig. Throws UsageError. */
export function parseMountFlag(text: string): Record<string, unknown> {
  const mount: Record<string, unknown> = { Type: "volume" };
  const part = (name: string) => {
    const known = mount[name];
    if (typeof known === "object" && known !== null) return known as Record<string, unknown>;
    const made: Record<string, unknown> = {};
    mount[name] = made;
    return made;
  };
  for (const field of fieldsOf(text)) {
    const at = field.indexOf("=");
    const key = (at < 0 ? field : field.slice(0, at)).toLowerCase();
    const value = at < 0 ? "" : field.slice(at + 1);
    const isYes = at < 0 || value === "true" || value === "1";
    const refuse = (why: string) => new UsageError(`invalid argument "${text}" for "--mount" flag: ${why}`);
    if (at < 0 && !["readonly", "ro", "bind-nonrecursive", "bind-create-src", "volume-nocopy"].includes(key))
      throw refuse(`invalid field '${field}' must be a key=value pair`);
    switch (key) {
      case "type":
        mount.Type = value.toLowerCase();
        break;
      case "source":
      case "src":
        mount.Source = value;
        break;
      case "target":
      case "dst":
      case "destination":
        mount.Target = value;
        break;
      case "readonly":
      case "ro":
        mount.ReadOnly = isYes;
        break;
      case "consistency":
        mount.Consistency = value;
        break;
      case "bind-propagation":
        part("BindOptions").Propagation = value;
        break;
      case "bind-nonrecursive":
        part("BindOptions").NonRecursive = isYes;
        break;
      case "bind-recursive":
        Object.assign(part("BindOptions"), bindRecursive(value, refuse));
        break;
      case "bind-create-src":
        part("BindOptions").CreateMountpoint = isYes;
        break;
      case "bind-idmap":
        part("BindOptions").IdMap = value;
        break;
      case "volume-label":
        part("VolumeOptions").Labels = { ...object(part("VolumeOptions").Labels), ...pairs([value]) };
        break;
      case "volume-opt": {
        const config = object(part("VolumeOptions").DriverConfig);
        part("VolumeOptions").DriverConfig = {
          ...config,
          Options: { ...object(config.Options), ...pairs([value]) },
        };
        break;
      }
      case "image-subpath":
        part("ImageOptions").Subpath = value;
        break;
      case "volume-nocopy":
        part("VolumeOptions").NoCopy = isYes;
        break;
      case "volume-subpath":
        part("VolumeOptions").Subpath = value;
        break;
      case "volume-driver":
        part("VolumeOptions").DriverConfig = { ...object(part("VolumeOptions").DriverConfig), Name: value };
        break;
      case "tmpfs-size":
        part("TmpfsOptions").SizeBytes = parseBytes(value);
        break;
      case "tmpfs-mode":
        part("TmpfsOptions").Mode = Number.parseInt(value, 8);
        break;
      default:
        throw refuse(`unexpected key '${key}' in '${field}'`);
    }
  }
  if (mount.Target === undefined)
    throw new UsageError(`invalid argument "${text}" for "--mount" flag: target is required`);
  return mount;
}

const object = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? { ...value } : {};

/** How what is mounted below the source is treated. */
function bindRecursive(value: string, refuse: (why: string) => UsageError): Record<string, boolean> {
  switch (value) {
    case "enabled":
      return {};
    case "disabled":
      return { NonRecursive: true };
    case "writable":
      return { ReadOnlyNonRecursive: true };
    case "readonly":
      return { ReadOnlyForceRecursive: true };
    default:
      throw refuse(
        `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
      );
  }
}

/** Fields of one line of CSV: a field with commas is put into double quotes. */
function fieldsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}
