import { normalize } from "node:path/posix";
import { invalid } from "../../errors/index.ts";
import type { ContainerConfig, HostConfig, Mount } from "../../wire/index.ts";

/** One mount as the request asked for it, before volumes are made and folders looked at. */
export interface MountRequest {
  readonly type: "bind" | "volume" | "tmpfs" | "image";
  /** Host path, volume name, image, or empty for an anonymous volume. */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** As written by the user: "ro", "z,ro", "" — shown by inspect. */
  readonly mode: string;
  readonly propagation: string;
  readonly noCopy: boolean;
  readonly driver: string;
  readonly driverOptions: Record<string, string>;
  readonly labels: Record<string, string>;
  /** A missing bind source is made (as `-v` does), or refused (as `--mount` does). */
  readonly createSource: boolean;
  readonly nonRecursive: boolean;
  readonly readonlyNonRecursive: boolean;
  readonly tmpfsOptions: string;
  /** A path in the volume to mount in its place; "" for the whole. */
  readonly subpath: string;
  /** A bind whose files belong to the container's user where they belong to the source's owner on the host. */
  readonly matchUser: boolean;
}

const PROPAGATIONS = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]);
const LABEL_MODES = new Set(["z", "Z"]);
const ACCESS_MODES = new Set(["ro", "readonly", "rw"]);

/**
 * All mounts of a create request, later sources of one target replacing earlier ones in Docker's order: volumes of
 * the image and config, then Binds, then Mounts, then Tmpfs. `inherited` are those of VolumesFrom, weakest of all.
 * Throws invalid in Docker's words.
 */
export function parseMounts(
  config: ContainerConfig,
  hostConfig: HostConfig,
  inherited: readonly MountRequest[],
): MountRequest[] {
  const explicit = new Map<string, MountRequest>();
  const add = (request: MountRequest) => {
    if (explicit.has(request.target)) throw invalid(`Duplicate mount point: ${request.target}`);
    explicit.set(request.target, request);
  };
  for (const bind of hostConfig.Binds ?? []) add(parseBind(bind, hostConfig.VolumeDriver));
  for (const mount of hostConfig.Mounts ?? []) add(parseMount(mount));
  for (const [target, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    if (!target.startsWith("/")) throw invalid(`invalid mount path: '${target}' mount path must be absolute`);
    add(tmpfs(checkTarget(target, target), checkTmpfsOptions(options)));
  }

  const all = new Map<string, MountRequest>();
  for (const request of inherited) all.set(request.target, request);
  for (const path of Object.keys(config.Volumes ?? {})) {
    const target = checkTarget(path, path);
    if (!all.has(target)) all.set(target, volume("", target, hostConfig.VolumeDriver));
  }
  for (const [target, request] of explicit) all.set(target, request);
  // A parent is mounted before what lies below it.
  return [...all.values()].sort((a, b) => depth(a.target) - depth(b.target));
}

/** `SOURCE:TARGET[:MODE]` or `TARGET` of `-v`. */
export function parseBind(text: string, volumeDriver: string): MountRequest {
  const parts = text.split(":");
  const [first = "", second, mode = ""] = parts;
  if (parts.length > 3 || first === "" || second === "")
    throw invalid(`invalid volume specification: '${text}'`);
  if (second === undefined) return volume("", checkTarget(first, text, "volume"), volumeDriver);
  const target = checkTarget(second, text, first.startsWith("/") ? "bind" : "volume");
  const words = mode === "" ? [] : mode.split(",");
  let readonly = false;
  let propagation = "";
  let noCopy = false;
  if (words.filter((word) => ACCESS_MODES.has(word)).length > 1) throw invalid(`invalid mode: ${mode}`);
  for (const word of words) {
    if (word === "ro" || word === "readonly") readonly = true;
    else if (word === "nocopy") noCopy = true;
    else if (PROPAGATIONS.has(word)) propagation = word;
    else if (word !== "rw" && !LABEL_MODES.has(word)) throw invalid(`invalid mode: ${mode}`);
  }
  if (first.startsWith("/")) {
    if (noCopy) throw invalid(`invalid mode: ${mode}`);
    return { ...bind(normalize(first), target), readonly, mode, propagation, createSource: true };
  }
  if (propagation !== "") throw invalid(`invalid mode: ${mode}`);
  checkVolumeName(first, text);
  return { ...volume(first, target, volumeDriver), readonly, mode, noCopy };
}

function parseMount(mount: Mount): MountRequest {
  const refuse = (why: string) => invalid(`invalid mount config for type "${mount.Type}": ${why}`);
  if (mount.Target === "") throw refuse("field Target must not be empty");
  const target = checkTarget(mount.Target, mount.Target);
  const readonly = mount.ReadOnly ?? false;
  const source = mount.Source ?? "";
  switch (mount.Type) {
    case "bind": {
      if (source === "") throw refuse("field Source must not be empty");
      if (!source.startsWith("/"))
        throw refuse(`invalid mount path: '${source}' mount path must be absolute`);
      if (mount.VolumeOptions !== undefined) throw refuse("field VolumeOptions must not be specified");
      const options = mount.BindOptions ?? {};
      const propagation = options.Propagation ?? "";
      if (propagation !== "" && !PROPAGATIONS.has(propagation))
        throw refuse(`invalid propagation mode: ${propagation}`);
      if (options.ReadOnlyForceRecursive === true && options.ReadOnlyNonRecursive === true)
        throw refuse("ReadOnlyNonRecursive and ReadOnlyForceRecursive cannot both be set");
      return {
        ...bind(normalize(source), target),
        readonly,
        propagation,
        createSource: options.CreateMountpoint ?? false,
        nonRecursive: options.NonRecursive ?? false,
        readonlyNonRecursive: options.ReadOnlyNonRecursive ?? false,
        matchUser: idmapOf(options.IdMap ?? "", refuse),
      };
    }
    case "volume": {
      if (mount.BindOptions !== undefined) throw refuse("field BindOptions must not be specified");
      if (source !== "") checkVolumeName(source, source);
      const options = mount.VolumeOptions ?? {};
      return {
        ...volume(source, target, options.DriverConfig?.Name ?? ""),
        readonly,
        noCopy: options.NoCopy ?? false,
        driverOptions: options.DriverConfig?.Options ?? {},
        labels: options.Labels ?? {},
        subpath: subpathOf("VolumeOptions", options.Subpath ?? "", refuse),
      };
    }
    case "image": {
      if (source === "") throw refuse("field Source must not be empty");
      if (mount.BindOptions !== undefined) throw refuse("field BindOptions must not be specified");
      if (mount.VolumeOptions !== undefined) throw refuse("field VolumeOptions must not be specified");
      return {
        ...plain,
        type: "image",
        source,
        target,
        readonly: true,
        subpath: subpathOf("ImageOptions", mount.ImageOptions?.Subpath ?? "", refuse),
      };
    }
    case "tmpfs": {
      if (source !== "") throw refuse("field Source must not be specified");
      const words: string[] = [];
      const { SizeBytes: size, Mode: mode, Options: options } = mount.TmpfsOptions ?? {};
      if (readonly) words.push("ro");
      if (size !== undefined && size > 0) words.push(`size=${size}`);
      if (mode !== undefined && mode > 0) words.push(`mode=${mode.toString(8)}`);
      for (const [name = "", value] of options ?? [])
        words.push(value === undefined ? name : `${name}=${value}`);
      return tmpfs(target, checkTmpfsOptions(words.join(",")));
    }
    default:
      throw refuse("mount type unknown");
  }
}

/** A path in what is mounted; "" for the whole. */
function subpathOf(
  options: "VolumeOptions" | "ImageOptions",
  subpath: string,
  refuse: (why: string) => Error,
): string {
  if (subpath.startsWith("/") || subpath.split("/").includes(".."))
    throw refuse(
      `field ${options}.Subpath must be a relative path within the ${options === "ImageOptions" ? "image" : "volume"}`,
    );
  return subpath;
}

const plain = {
  readonly: false,
  mode: "",
  propagation: "",
  noCopy: false,
  driver: "",
  driverOptions: {},
  labels: {},
  createSource: false,
  nonRecursive: false,
  readonlyNonRecursive: false,
  tmpfsOptions: "",
  subpath: "",
  matchUser: false,
};

function idmapOf(text: string, refuse: (why: string) => Error): boolean {
  if (text === "" || text === "match-user") return text !== "";
  throw refuse(`unknown idmap "${text}": use match-user`);
}

const bind = (source: string, target: string): MountRequest => ({ ...plain, type: "bind", source, target });

const volume = (source: string, target: string, driver: string): MountRequest => ({
  ...plain,
  type: "volume",
  source,
  target,
  driver,
});

const tmpfs = (target: string, options: string): MountRequest => ({
  ...plain,
  type: "tmpfs",
  source: "",
  target,
  readonly: options.split(",").includes("ro"),
  tmpfsOptions: options,
});

/** Options of tmpfs(5), and those of mount(8) that need nothing but the mount itself. */
const TMPFS_OPTION =
  /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol|huge)=.+$|^(defaults|ro|rw|(no)?(suid|dev|exec|atime|diratime|relatime|strictatime|symfollow))$/;

/** Throws invalid for the first option that tmpfs does not know. */
function checkTmpfsOptions(options: string): string {
  const unknown = options.split(",").find((word) => word !== "" && !TMPFS_OPTION.test(word));
  if (unknown !== undefined) throw invalid(`invalid tmpfs option ["${unknown}"]`);
  return options;
}

function checkTarget(target: string, specification: string, type = "volume"): string {
  const refuse = (why: string) =>
    invalid(
      `invalid volume specification: '${specification}': invalid mount config for type "${type}": ${why}`,
    );
  if (!target.startsWith("/")) throw refuse(`invalid mount path: '${target}' mount path must be absolute`);
  const path = normalize(target).replace(/(?<=.)\/+$/, "");
  if (path === "/") throw refuse("invalid specification: destination can't be '/'");
  return path;
}

function checkVolumeName(name: string, specification: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    { fields: { specification } },
  );
}

const depth = (path: string) => path.split("/").length;
