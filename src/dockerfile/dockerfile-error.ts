import { EngineError } from "../errors/index.ts";
import type { Location } from "./location.ts";

/**
 * A Dockerfile that cannot be used. `message` begins as BuildKit's do ("dockerfile parse error on line 3: …"), which tools
 * look for.
 */
export class DockerfileError extends EngineError {
  readonly location: Location;
  /** What would have been right, when that can be said in a few words: "FROM [--platform=P] IMAGE [AS NAME]". */
  readonly expected: string | undefined;

  constructor(location: Location, problem: string, expected?: string) {
    const hint = expected === undefined ? "" : ` (expected: ${expected})`;
    super("invalid", `dockerfile parse error on line ${location.line}: ${problem}${hint}`, {
      fields: { line: location.line },
    });
    this.location = location;
    this.expected = expected;
  }
}
