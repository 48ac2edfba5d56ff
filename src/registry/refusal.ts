import { EngineError, type ErrorKind } from "../errors/index.ts";
import { type RegistryResponse, readText } from "./transport.ts";

/** What a registry's error says: its first code and message (distribution-spec, "Error Codes"). */
export interface Refusal {
  readonly status: number;
  /** "MANIFEST_UNKNOWN"; made up from the status when the body tells none. */
  readonly code: string;
  readonly message: string;
}

const MAX_ERROR_BYTES = 64 * 1024;
const CODES: Readonly<Record<number, string>> = {
  401: "UNAUTHORIZED",
  403: "DENIED",
  404: "NOT_FOUND",
  405: "UNSUPPORTED",
  429: "TOOMANYREQUESTS",
};
const KINDS: Readonly<Record<number, ErrorKind>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  405: "unsupported",
};

/** Read the body of an answer that says no. */
export async function readRefusal(response: RegistryResponse): Promise<Refusal> {
  const { status } = response;
  const text = await readText(response, MAX_ERROR_BYTES).catch(() => "");
  const { code, message } = firstError(text);
  return {
    status,
    code: typeof code === "string" ? code : (CODES[status] ?? "UNKNOWN"),
    message: typeof message === "string" ? message : `the registry answered ${status}`,
  };
}

function firstError(text: string): { code?: unknown; message?: unknown } {
  try {
    const { errors }: { errors?: unknown } = Object(JSON.parse(text));
    return Array.isArray(errors) ? Object(errors[0]) : {};
  } catch {
    return {};
  }
}

/** "manifest unknown: manifest unknown", as Docker's clients print a registry's error. */
export const refusalText = ({ code, message }: Refusal): string =>
  `${code.toLowerCase().replaceAll("_", " ")}: ${message}`;

/** As an error whose kind follows from the status and whose `fields.code` is the registry's. */
export function refusalError(refusal: Refusal, text = refusalText(refusal)): EngineError {
  const { status, code } = refusal;
  return new EngineError(KINDS[status] ?? "unavailable", text, { fields: { status, code } });
}
