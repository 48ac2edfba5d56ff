import {
  asArray,
  asObject,
  asStrings,
  type JsonObject,
  optionalString,
  optionalStringMap,
  parseJson,
} from "../archive/index.ts";
import { type Digest, digestOf, parseDigest } from "../content/index.ts";
import { invalid } from "../errors/index.ts";
import type { HealthConfig, ImageConfig } from "../wire/index.ts";

/** The document whose digest is the image's id (OCI image-spec, config.md), as far as the engine reads it. */
export interface ImageDocument {
  readonly created: string | undefined;
  readonly author: string;
  readonly comment: string;
  readonly dockerVersion: string;
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly os: string;
  readonly osVersion: string | undefined;
  readonly config: ImageConfig;
  /** Base first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
}

export interface HistoryEntry {
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

/** Throws invalid with what is wrong in it. */
export function parseImageDocument(text: string | Uint8Array): ImageDocument {
  const what = "image config";
  const object = asObject(parseJson(text, what), what);
  const rootfs = asObject(object.rootfs ?? {}, "image config rootfs");
  return {
    created: optionalString(object.created, what),
    author: optionalString(object.author, what) ?? "",
    comment: optionalString(object.comment, what) ?? "",
    dockerVersion: optionalString(object.docker_version, what) ?? "",
    architecture: optionalString(object.architecture, what) ?? "",
    variant: optionalString(object.variant, what),
    os: optionalString(object.os, what) ?? "linux",
    osVersion: optionalString(object["os.version"], what),
    config: parseImageConfig(asObject(object.config ?? {}, what)),
    diffIds: asStrings(rootfs.diff_ids, "image config diff_ids").map(parseDigest),
    history: asArray(object.history, "image config history").map(parseHistory),
  };
}

function parseHistory(value: unknown): HistoryEntry {
  const what = "image config history";
  const object = asObject(value, what);
  return {
    created: optionalString(object.created, what),
    createdBy: optionalString(object.created_by, what) ?? "",
    comment: optionalString(object.comment, what) ?? "",
    emptyLayer: object.empty_layer === true,
  };
}

/** The settings of containers that an image carries. Fields that are absent, null or empty text stay away. Throws invalid. */
export function parseImageConfig(object: JsonObject): ImageConfig {
  const what = "image config";
  const config: ImageConfig = {};
  const user = optionalString(object.User, what);
  const workingDir = optionalString(object.WorkingDir, what);
  const stopSignal = optionalString(object.StopSignal, what);
  const labels = optionalStringMap(object.Labels, what);
  if (user !== undefined) config.User = user;
  if (workingDir !== undefined) config.WorkingDir = workingDir;
  if (stopSignal !== undefined) config.StopSignal = stopSignal;
  if (labels !== undefined) config.Labels = labels;
  for (const key of ["Env", "Entrypoint", "Cmd", "OnBuild", "Shell"] as const) {
    if (object[key] !== undefined && object[key] !== null)
      config[key] = asStrings(object[key], `${what} ${key}`);
  }
  for (const key of ["ExposedPorts", "Volumes"] as const) {
    if (object[key] !== undefined && object[key] !== null)
      config[key] = keysOf(object[key], `${what} ${key}`);
  }
  if (object.ArgsEscaped === true) config.ArgsEscaped = true;
  if (object.Healthcheck !== undefined && object.Healthcheck !== null) {
    config.Healthcheck = parseHealthcheck(asObject(object.Healthcheck, what));
  }
  return config;
}

function keysOf(value: unknown, what: string): Record<string, Record<string, never>> {
  return Object.fromEntries(Object.keys(asObject(value, what)).map((key) => [key, {}]));
}

function parseHealthcheck(object: JsonObject): HealthConfig {
  const health: HealthConfig = {};
  if (object.Test !== undefined && object.Test !== null)
    health.Test = asStrings(object.Test, "image config Healthcheck");
  for (const key of ["Interval", "Timeout", "Retries", "StartPeriod", "StartInterval"] as const) {
    const value = object[key];
    if (value === undefined) continue;
    if (typeof value !== "number") throw invalid(`invalid image config Healthcheck ${key}: not a number`);
    health[key] = value;
  }
  return health;
}

/** ChainIDs of each layer, base first (OCI image-spec, config.md, "Layer ChainID"). */
export function chainIdsOf(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** Seconds since the epoch; 0 when the document does not tell. */
export function createdSeconds(document: { readonly created: string | undefined }): number {
  const milliseconds = document.created === undefined ? 0 : Date.parse(document.created);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}
