import { type Engine, succeed, untilLog } from "./docker-cli.ts";

/**
 * What busybox runs to serve port 80 of both families: its name at /hostname, and at /cgi-bin/from the address that the
 * question came from. Without -f httpd goes to the background once it listens.
 */
const SERVE = `mkdir -p /www/cgi-bin; cp /etc/hostname /www
  printf '#!/bin/sh\necho; echo "$REMOTE_ADDR" | sed "s/.*ffff://; s/[][]//g"' > /www/cgi-bin/from; chmod 755 /www/cgi-bin/from
  httpd -p [::]:80 -h /www; echo listening; exec sleep 1000`;

/** A container that serves its own name, once this resolves. `options` are further ones of `docker run`. */
export async function startWeb(engine: Engine, name: string, ...options: readonly string[]): Promise<void> {
  await succeed(
    engine,
    ...["run", "-d", "--name", name, "-h", name, ...options, "busybox", "sh", "-ec", SERVE],
  );
  await untilLog(engine, name, "listening");
}

/** The address of something that is served there. */
export function webUrl(address: string, port: number, path = "hostname"): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}/${path}`;
}

/** Shell words, for a container or the host, that print what is served there; nothing when nobody answers within the time. */
export function askWeb(url: string, seconds: number): string {
  return `timeout ${seconds} busybox wget -qO- ${url} 2>/dev/null || true`;
}
