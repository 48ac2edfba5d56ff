import { EngineError } from "../errors/index.ts";
import type { RegistryNetwork } from "./network.ts";
import { type RegistryRequest, type RegistryResponse, send } from "./transport.ts";

const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Send a request and follow where it is sent to, if it only reads. `secretsFor` gives the headers that only some hosts
 * may see: who redirects does not decide on that. Throws ConnectionError, cancelled, unavailable for redirects without end.
 */
export async function sendAlong(
  network: RegistryNetwork,
  request: RegistryRequest,
  signal: AbortSignal,
  secretsFor: (target: URL) => Readonly<Record<string, string>> = () => ({}),
): Promise<RegistryResponse> {
  let target = request.url;
  for (let hops = 0; ; hops++) {
    const headers = { ...request.headers, ...secretsFor(target) };
    const response = await send({ ...request, url: target, headers }, network.connector(target), signal);
    const { location } = response.headers;
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead || location === undefined || !REDIRECTS.includes(response.status)) return response;
    response.body.destroy();
    if (hops === MAX_REDIRECTS || !URL.canParse(location, target.href))
      throw new EngineError("unavailable", `${request.url.host} redirects without end`);
    target = new URL(location, target);
    if (target.protocol !== "http:" && target.protocol !== "https:")
      throw new EngineError("unavailable", `${request.url.host} redirects to ${target.protocol}`);
  }
}
