import type { ChannelAddress } from "../platform/channel/index.ts";

/** Where a daemon with default options listens. */
export const DEFAULT_HOST = "unix:///run/gantry.sock";

/** The address in "unix:///PATH" or "tcp://HOST:PORT". Throws an Error for anything else. */
export function parseHost(host: string): ChannelAddress {
  const path = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (path !== undefined) return { path };
  const [, name, port] = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:]+\]|[^:/]+):(\d+)\/?$/.exec(host) ?? [];
  if (name === undefined) throw new Error(`invalid host "${host}": use unix:///PATH or tcp://HOST:PORT`);
  return { host: name.replace(/[[\]]/g, ""), port: Number(port) };
}
