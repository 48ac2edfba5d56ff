import { appendFileSync } from "node:fs";
import { printError } from "../output/print.ts";

/** Where the runtime's own words go: a file when the caller named one, and always stderr for what makes it fail. */
export interface OciLog {
  warn(message: string): void;
  error(message: string): void;
}

export function openLog(file: string, format: "text" | "json"): OciLog {
  const write = (level: "warning" | "error", message: string) => {
    if (file === "") return;
    const time = new Date().toISOString();
    const line =
      format === "json"
        ? JSON.stringify({ level, msg: message, time })
        : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}`;
    appendFileSync(file, `${line}\n`, { mode: 0o644 });
  };
  return {
    warn(message) {
      if (file === "") printError(`gantry oci: warning: ${message}`);
      else write("warning", message);
    },
    error(message) {
      write("error", message);
      printError(`gantry oci: ${message}`);
    },
  };
}
