/** The command line itself is wrong; the user is pointed to the command's usage. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Ends the command with this exit code; an empty message says nothing. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: number;

  constructor(exitCode: number, message = "") {
    super(message);
    this.exitCode = exitCode;
  }
}
