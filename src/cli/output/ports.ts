import type { Port } from "../../wire/index.ts";

/** The PORTS column: published ports with their addresses, neighbours drawn together to ranges. */
export function displayPorts(ports: readonly Port[]): string {
  const sorted = ports.toSorted(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      order(a.IP ?? "", b.IP ?? "") ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      order(a.Type, b.Type),
  );
  const groups = new Map<string, { ip: string; type: string; first: number; last: number }>();
  const done: string[] = [];
  const single: string[] = [];
  for (const { IP: ip = "", PrivatePort: inside, PublicPort: outside, Type: type } of sorted) {
    if (ip !== "" && outside !== inside) {
      single.push(`${joined(ip, String(outside))}->${inside}/${type}`);
      continue;
    }
    const key = `${ip}/${type}`;
    const group = groups.get(key);
    if (group !== undefined && inside === group.last + 1) {
      group.last = inside;
      continue;
    }
    if (group !== undefined) done.push(groupText(group));
    groups.set(key, { ip, type, first: inside, last: inside });
  }
  return [...done, ...[...groups.values()].map(groupText), ...single].join(", ");
}

function groupText({
  ip,
  type,
  first,
  last,
}: {
  ip: string;
  type: string;
  first: number;
  last: number;
}): string {
  const range = first === last ? String(first) : `${first}-${last}`;
  return `${ip === "" ? range : `${joined(ip, range)}->${range}`}/${type}`;
}

const joined = (ip: string, port: string) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);
const order = (a: string, b: string) => (a < b ? -1 : Number(a > b));
