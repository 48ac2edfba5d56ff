import { readFileSync, statSync } from "node:fs";
import { errnoOf, invalid, messageOf, unsupported } from "../../errors/index.ts";
import { parseYaml } from "../../platform/index.ts";
import { Field, type Hook, readHook } from "../../runtime/oci/index.ts";
import type { Device, SpecMount } from "../../runtime/spec/index.ts";
import { major, minor } from "../spec/index.ts";

/** What a device adds to a container (Container Device Interface specification, containerEdits). */
export interface ContainerEdits {
  readonly env: readonly string[];
  readonly devices: readonly { readonly device: Device; readonly access: string }[];
  readonly mounts: readonly SpecMount[];
  readonly additionalGids: readonly number[];
  readonly hooks: readonly DeviceHook[];
}

/** A program that a device needs run while a container is made (OCI runtime-spec, config.md, POSIX-platform hooks). */
export interface DeviceHook {
  readonly name: (typeof DEVICE_HOOKS)[number];
  readonly hook: Hook;
}

export const DEVICE_HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer"] as const;

export interface CdiSpec {
  /** "vendor.com/class" */
  readonly kind: string;
  /** Of every device of this file. */
  readonly edits: () => ContainerEdits;
  readonly devices: ReadonlyMap<string, CdiDevice>;
}

export interface CdiDevice {
  /** Read on use: the device nodes of one that nobody asks for need not exist. */
  readonly edits: () => ContainerEdits;
  /** Its file's and its own. */
  readonly annotations: ReadonlyMap<string, string>;
}

const KIND = /^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]\/[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$/;
const DEVICE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;

/** A file of a folder of CDI specifications, JSON or YAML. Throws invalid naming the file and the field. */
export function readCdiSpec(file: string): CdiSpec {
  const text = readFileSync(file, "utf8");
  let document: Field;
  try {
    // JSON is YAML too.
    document = new Field(parseYaml(text), "", file);
  } catch (cause) {
    throw invalid(`${file}: ${messageOf(cause)}`, { cause });
  }
  const version = document.get("cdiVersion").string();
  if (!/^(0\.[3-9]|1\.)/.test(version)) throw document.get("cdiVersion").wrong("a version from 0.3.0 on");
  const kind = document.get("kind").string();
  if (!KIND.test(kind)) throw document.get("kind").wrong("a kind such as vendor.com/class");
  const common = readAnnotations(document);
  const devices = document
    .get("devices")
    .list()
    .map((field) => {
      const name = field.get("name").string();
      if (!DEVICE_NAME.test(name)) throw field.get("name").wrong("a name of letters, digits and _ - . :");
      const annotations = new Map([...common, ...readAnnotations(field)]);
      return [name, { edits: () => readEdits(field.get("containerEdits")), annotations }] as const;
    });
  return { kind, edits: () => readEdits(document.get("containerEdits")), devices: new Map(devices) };
}

/** Texts by their names; a truth value counts as its word, for YAML has words for it. */
function readAnnotations(field: Field): [name: string, value: string][] {
  return field
    .get("annotations")
    .entries()
    .map(([name, item]) => [name, typeof item.value === "boolean" ? String(item.value) : item.string()]);
}

function readEdits(field: Field): ContainerEdits {
  if (!field.get("intelRdt").isAbsent)
    throw unsupported(`${field.get("intelRdt").document}: intelRdt is not supported by this engine`);
  return {
    env: field.get("env").strings(),
    devices: field.get("deviceNodes").list().map(readNode),
    mounts: field.get("mounts").list().map(readMount),
    additionalGids: field
      .get("additionalGids")
      .list()
      .map((item) => item.integer()),
    hooks: field.get("hooks").list().map(readDeviceHook),
  };
}

function readDeviceHook(field: Field): DeviceHook {
  const name = field.get("hookName").oneOf([...DEVICE_HOOKS, "poststart", "poststop"]);
  if (name === "poststart" || name === "poststop")
    throw unsupported(`${field.document}: ${field.path}: this engine runs no ${name} hooks of devices`);
  return { name, hook: readHook(field) };
}

function readMount(field: Field): SpecMount {
  const source = field.get("hostPath").string();
  const type = field.get("type").maybe((item) => item.string()) ?? "bind";
  const options = field.get("options").strings();
  return {
    destination: field.get("containerPath").string(),
    type,
    source,
    options: options.length > 0 ? options : ["rbind", "rprivate"],
  };
}

/** What the file leaves out of a node is the host's own. */
function readNode(field: Field): ContainerEdits["devices"][number] {
  const path = field.get("path").string();
  const hostPath = field.get("hostPath").maybe((item) => item.string()) ?? path;
  const own = nodeOf(hostPath);
  const number = (name: string, fallback: number | undefined) =>
    field.get(name).maybe((item) => item.integer()) ?? fallback;
  const type = field.get("type").maybe((item) => item.oneOf(["b", "c", "u", "p"] as const)) ?? own?.type;
  const [majorNumber, minorNumber] = [number("major", own?.major), number("minor", own?.minor)];
  if (type === undefined || majorNumber === undefined || minorNumber === undefined)
    throw field.wrong(`a device with its numbers, or one that exists: there is no ${hostPath}`);
  return {
    device: {
      path,
      type: type === "u" ? "c" : type,
      major: majorNumber,
      minor: minorNumber,
      fileMode: number("fileMode", own?.fileMode) ?? 0o660,
      uid: number("uid", own?.uid) ?? 0,
      gid: number("gid", own?.gid) ?? 0,
    },
    access: field.get("permissions").maybe((item) => item.string()) || "rwm",
  };
}

function nodeOf(path: string): Device | undefined {
  try {
    const stat = statSync(path);
    if (!stat.isBlockDevice() && !stat.isCharacterDevice()) return undefined;
    return {
      path,
      type: stat.isBlockDevice() ? "b" : "c",
      major: major(stat.rdev),
      minor: minor(stat.rdev),
      fileMode: stat.mode & 0o777,
      uid: stat.uid,
      gid: stat.gid,
    };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
