import { invalid } from "../../errors/index.ts";
import { parseDecimalBytes } from "../../units/index.ts";
import type { LogConfig } from "../../wire/index.ts";

export interface LogSettings {
  readonly enabled: boolean;
  /** 0 = no rotation. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** Rotation is on unless a request says otherwise: a chatty container does not fill the disk. */
const DEFAULT_MAX_BYTES = 100_000_000;
const DEFAULT_MAX_FILES = 5;

/** `--log-driver` and `--log-opt`. Throws invalid for drivers and options that this engine does not have. */
export function parseLogConfig({ Type, Config }: LogConfig): LogSettings {
  if (Type !== "" && Type !== "json-file" && Type !== "none") {
    throw invalid(`logger: no log driver named '${Type}' is registered`);
  }
  for (const key of Object.keys(Config)) {
    if (key !== "max-size" && key !== "max-file")
      throw invalid(`unknown log opt '${key}' for ${Type || "json-file"} log driver`);
  }
  if (Type === "none") return { enabled: false, maxBytes: 0, maxFiles: 1 };
  const size = Config["max-size"];
  const count = Config["max-file"];
  if (count !== undefined && !/^[1-9]\d{0,5}$/.test(count))
    throw invalid(`invalid value for max-file: ${count}`);
  if (count !== undefined && count !== "1" && size === undefined)
    throw invalid("max-file cannot be set without max-size");
  return {
    enabled: true,
    maxBytes: size === undefined ? DEFAULT_MAX_BYTES : size === "-1" ? 0 : parseDecimalBytes(size),
    maxFiles: count === undefined ? (size === undefined ? DEFAULT_MAX_FILES : 1) : Number(count),
  };
}
