import type { Dockerfile } from "../dockerfile/index.ts";
import { EngineError } from "../errors/index.ts";

/** A build whose Dockerfile is at hand for messages, whatever comes of it. */
export class BuildFailure extends EngineError {
  readonly file: Dockerfile | undefined;
  readonly source: string;
  readonly fileName: string;

  constructor(cause: EngineError, file: { name: string; text: string }, parsed: Dockerfile | undefined) {
    super(cause.kind, cause.message, { cause, fields: { ...cause.fields } });
    this.file = parsed;
    this.source = file.text;
    this.fileName = file.name;
  }
}
