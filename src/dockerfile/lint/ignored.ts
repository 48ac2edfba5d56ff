import { posix } from "node:path";
import { ignoreRules } from "../ignore.ts";
import type { Dockerfile } from "../instructions.ts";
import type { Report } from "./report.ts";

const EVERYTHING: readonly string[] = ["*", "**", "**/*"];

/** CopyIgnoredFile: a source in the context that .dockerignore leaves out. Exceptions ("!") make that too hard to tell. */
export function checkIgnored({ stages }: Dockerfile, patterns: readonly string[], report: Report): void {
  if (patterns.length === 0 || patterns.some((pattern) => pattern.startsWith("!"))) return;
  const rules = ignoreRules(patterns);
  const isRootIgnored = patterns.some((pattern) => EVERYTHING.includes(pattern));
  for (const item of stages.flatMap(({ instructions }) => instructions)) {
    if ((item.name !== "COPY" && item.name !== "ADD") || item.flags.from !== "") continue;
    for (const source of item.sources) {
      // What a variable holds is known to the build alone; what comes from elsewhere is in no context.
      if (source.kind !== "path" || source.path.includes("$") || /^(\w+:\/\/|git@)/.test(source.path))
        continue;
      const path = posix.normalize(`/${source.path}`).slice(1);
      if (path === "" ? isRootIgnored : rules.ignores(path.replace(/\/$/, "")))
        report(
          "CopyIgnoredFile",
          `Attempting to ${item.name === "ADD" ? "Add" : "Copy"} file "${posix.normalize(source.path)}" that is excluded by .dockerignore`,
          item.location,
        );
    }
  }
}
