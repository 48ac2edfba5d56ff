import { EngineError } from "../errors/index.ts";
import { RegistryConnection } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
import type { RegistryNetwork } from "./network.ts";
import { basicAuthorization, fetchToken } from "./token.ts";

/**
 * Whether a registry takes these credentials; with the refresh token that its token server gave for them, if any,
 * which then is to be kept instead of the password. Throws unauthorized when it does not, unavailable when it cannot
 * be asked.
 */
export async function checkLogin(
  network: RegistryNetwork,
  registry: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<{ identityToken: string | undefined }> {
  const endpoint = network.endpoints(registry, "").at(-1) ?? { host: registry, path: "", scheme: undefined };
  const anonymous = new RegistryConnection(network, endpoint, undefined);
  const root = await anonymous.open(signal);
  const { challenge } = anonymous;
  if (challenge === undefined) return { identityToken: undefined };
  const token =
    challenge.scheme === "bearer"
      ? await fetchToken(network, { challenge, credentials, scopes: [], offline: true }, signal)
      : undefined;
  const authorization = token === undefined ? basicAuthorization(credentials) : `Bearer ${token.value}`;
  const request = { method: "GET", path: "/v2/", headers: { authorization }, scopes: [] } as const;
  const response = await anonymous.withoutAccount(request, signal);
  response.body.destroy();
  if (response.status === 200) return { identityToken: token?.refreshToken };
  const reason = response.status === 401 ? "401 Unauthorized" : String(response.status);
  throw new EngineError("unauthorized", `login attempt to ${root.origin}/v2/ failed with status: ${reason}`);
}
