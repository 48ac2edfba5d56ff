interface Binding {
  readonly HostIp: string;
  readonly HostPort: string;
}

const FORMAT =
  /^(?:(?:(?<ip>\[[0-9a-fA-F:.]+\]|[0-9a-fA-F.]+):)?(?<host>\d*(?:-\d+)?):)?(?<container>\d+(?:-\d+)?)(?:\/(?<protocol>tcp|udp|sctp))?$/i;

/** "-p [[ip:][hostPort]:]containerPort[/protocol]" with ranges, as PortBindings has it. Throws ExitError. */
export function parsePublish(texts: readonly string[]): Record<string, Binding[]> {
  const bindings: Record<string, Binding[]> = {};
  for (const text of texts) {
    const groups = FORMAT.exec(text)?.groups;
    if (groups === undefined) throw refusal(`invalid containerPort: ${text.split(":").at(-1)}`);
    const { ip = "", host = "", container = "", protocol = "tcp" } = groups;
    const inside = rangeOf(container);
    const outside = host === "" ? undefined : rangeOf(host);
    if (inside === undefined) throw refusal(`invalid containerPort: ${container}`);
    if (host !== "" && outside === undefined) throw refusal(`invalid hostPort: ${host}`);
    const count = inside.last - inside.first;
    if (outside !== undefined && outside.last - outside.first !== count && count !== 0)
      throw refusal(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
    for (let at = 0; at <= count; at++) {
      const key = `${inside.first + at}/${protocol.toLowerCase()}`;
      const port =
        outside === undefined
          ? ""
          : count === 0 && outside.last > outside.first
            ? host
            : String(outside.first + at);
      bindings[key] = [...(bindings[key] ?? []), { HostIp: ip.replace(/[[\]]/g, ""), HostPort: port }];
    }
  }
  return bindings;
}

/** "--expose 80", "8000-8010/udp" as ExposedPorts has it. */
export function exposedPorts(texts: readonly string[]): Record<string, Record<string, never>> {
  const ports: Record<string, Record<string, never>> = {};
  for (const text of texts) {
    const [numbers = "", protocol = "tcp"] = text.split("/");
    const range = rangeOf(numbers);
    if (range === undefined) throw new Error(`invalid range format for --expose: ${text}`);
    for (let port = range.first; port <= range.last; port++) ports[`${port}/${protocol.toLowerCase()}`] = {};
  }
  return ports;
}

function rangeOf(text: string): { first: number; last: number } | undefined {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (from === undefined) return undefined;
  const [first, last] = [Number(from), Number(to ?? from)];
  return first <= last && last <= 65535 ? { first, last } : undefined;
}

const refusal = (why: string) => new Error(why);
