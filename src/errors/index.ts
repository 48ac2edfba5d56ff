/**
 * Every error that leaves a module of Gantry is an `EngineError`: a kind, a message a person can act on, and the
 * cause. The HTTP status, the exit code and the gRPC status follow from the kind, each in one table of the face that
 * needs it, so no other code decides on a status.
 */

/** What went wrong, in the few classes that a caller can react to. */
export type ErrorKind =
  | "invalid"
  | "not-found"
  | "conflict"
  | "unauthorized"
  | "forbidden"
  | "not-modified"
  | "unavailable"
  | "unsupported"
  | "cancelled"
  | "internal";

export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly kind: ErrorKind;
  /** Facts for logs and programs (ids, paths, errno); never needed to understand the message. */
  readonly fields: Readonly<Record<string, string | number>>;

  constructor(
    kind: ErrorKind,
    message: string,
    options: { cause?: unknown; fields?: Record<string, string | number> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.fields = options.fields ?? {};
  }
}

type ErrorOptions = { cause?: unknown; fields?: Record<string, string | number> };

export const invalid = (message: string, options?: ErrorOptions) =>
  new EngineError("invalid", message, options);
export const notFound = (message: string, options?: ErrorOptions) =>
  new EngineError("not-found", message, options);
export const conflict = (message: string, options?: ErrorOptions) =>
  new EngineError("conflict", message, options);
export const forbidden = (message: string, options?: ErrorOptions) =>
  new EngineError("forbidden", message, options);
export const notModified = (message: string, options?: ErrorOptions) =>
  new EngineError("not-modified", message, options);
export const unavailable = (message: string, options?: ErrorOptions) =>
  new EngineError("unavailable", message, options);
export const unsupported = (message: string, options?: ErrorOptions) =>
  new EngineError("unsupported", message, options);
export const cancelled = (message: string, options?: ErrorOptions) =>
  new EngineError("cancelled", message, options);
export const internal = (message: string, options?: ErrorOptions) =>
  new EngineError("internal", message, options);

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error (`ENOENT`, …), or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}
