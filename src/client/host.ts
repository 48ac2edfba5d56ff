import type { ChannelAddress, TlsOptions } from "../platform/channel/index.ts";

/** Where a daemon with default options listens. */
export const DEFAULT_HOST = "unix:///run/gantry.sock";

/** The address in "unix:///PATH" or "tcp://HOST:PORT", the latter with TLS when there is any. Throws an Error for anything else. */
export function parseHost(host: string, tls?: TlsOptions): ChannelAddress {
  const path = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (path !== undefined) return { path };
  const [, name, port] = /^(?:tcp|https?):\/\/(\[[0-9a-fA-F:]+\]|[^:/]+):(\d+)\/?$/.exec(host) ?? [];
  if (name === undefined) throw new Error(`invalid host "${host}": use unix:///PATH or tcp://HOST:PORT`);
  const address = { host: name.replace(/[[\]]/g, ""), port: Number(port) };
  return tls === undefined ? address : { ...address, tls };
}
