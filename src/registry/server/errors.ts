import { EngineError, type ErrorKind } from "../../errors/index.ts";

/** The codes of the distribution-spec ("Error Codes"), those docker/distribution adds for paging, and its UNKNOWN for what is the server's fault. */
const CODES = {
  BLOB_UNKNOWN: { status: 404, kind: "not-found" },
  BLOB_UPLOAD_INVALID: { status: 400, kind: "invalid" },
  BLOB_UPLOAD_UNKNOWN: { status: 404, kind: "not-found" },
  DIGEST_INVALID: { status: 400, kind: "invalid" },
  MANIFEST_BLOB_UNKNOWN: { status: 404, kind: "not-found" },
  MANIFEST_INVALID: { status: 400, kind: "invalid" },
  MANIFEST_UNKNOWN: { status: 404, kind: "not-found" },
  NAME_INVALID: { status: 400, kind: "invalid" },
  NAME_UNKNOWN: { status: 404, kind: "not-found" },
  TAG_INVALID: { status: 400, kind: "invalid" },
  SIZE_INVALID: { status: 400, kind: "invalid" },
  PAGINATION_NUMBER_INVALID: { status: 400, kind: "invalid" },
  UNAUTHORIZED: { status: 401, kind: "unauthorized" },
  DENIED: { status: 403, kind: "forbidden" },
  UNSUPPORTED: { status: 405, kind: "unsupported" },
  TOOMANYREQUESTS: { status: 429, kind: "unavailable" },
  UNAVAILABLE: { status: 503, kind: "unavailable" },
  UNKNOWN: { status: 500, kind: "internal" },
} as const satisfies Readonly<Record<string, { status: number; kind: ErrorKind }>>;

export type RegistryErrorCode = keyof typeof CODES;

interface Details {
  /** Where one code has several statuses (416 for a chunk out of order, 413 for a manifest too large). */
  readonly status?: number;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error that a client of the registry is told about in the spec's JSON form. */
export class RegistryError extends EngineError {
  readonly code: RegistryErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RegistryErrorCode, message: string, details: Details = {}) {
    super(CODES[code].kind, message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.status = details.status ?? CODES[code].status;
    this.detail = details.detail;
    this.headers = details.headers ?? {};
  }

  /** The body that the spec asks for. */
  get body(): string {
    const { code, message, detail } = this;
    return `${JSON.stringify({ errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] })}\n`;
  }
}
