import type { FlagValues } from "../command/flags.ts";
import { UsageError } from "../command/usage-error.ts";
import { pairs } from "./pairs.ts";

/** `--network NAME` or `--network name=NAME,alias=…,ip=…,ip6=…,mac-address=…,driver-opt=K=V,gw-priority=N`. */
interface NetworkFlag {
  readonly name: string;
  readonly settings: Record<string, unknown>;
}

/** HostConfig.NetworkMode and NetworkingConfig.EndpointsConfig of create and run. Throws ExitError (125). */
export function networksOf(flags: FlagValues): { mode: string; endpoints: Record<string, unknown> } {
  const given = flags.list("network").map(parseNetworkFlag);
  const names = given.map(({ name }) => name);
  if (new Set(names).size < names.length)
    throw new Error(
      `network "${names.find((name, at) => names.indexOf(name) < at)}" is specified multiple times`,
    );
  const [first = { name: "default", settings: {} }, ...others] = given;
  const legacy = legacySettings(flags);
  const own = { ...first.settings, ...legacy };
  return {
    mode: first.name,
    endpoints: Object.fromEntries(
      [{ name: first.name, settings: own }, ...others]
        .filter(({ settings }, at) => at > 0 || Object.keys(settings).length > 0)
        .map(({ name, settings }) => [name, settings]),
    ),
  };
}

/** The flags that speak of the first network. */
function legacySettings(flags: FlagValues): Record<string, unknown> {
  const ipam = {
    ...(flags.has("ip") ? { IPv4Address: flags.string("ip") } : {}),
    ...(flags.has("ip6") ? { IPv6Address: flags.string("ip6") } : {}),
    ...(flags.has("link-local-ip") ? { LinkLocalIPs: flags.list("link-local-ip") } : {}),
  };
  return {
    ...(Object.keys(ipam).length > 0 ? { IPAMConfig: ipam } : {}),
    ...(flags.has("network-alias") ? { Aliases: flags.list("network-alias") } : {}),
    ...(flags.has("mac-address") ? { MacAddress: flags.string("mac-address") } : {}),
  };
}

function parseNetworkFlag(text: string): NetworkFlag {
  if (!text.includes("=")) return { name: text, settings: {} };
  const values = new Map<string, string[]>();
  for (const field of text.split(",")) {
    const at = field.indexOf("=");
    if (at < 0)
      throw new UsageError(`invalid argument "${text}" for "--network" flag: invalid field ${field}`);
    const key = field.slice(0, at).trim().toLowerCase();
    values.set(key, [...(values.get(key) ?? []), field.slice(at + 1)]);
  }
  const known = ["name", "alias", "ip", "ip6", "mac-address", "link-local-ip", "driver-opt", "gw-priority"];
  for (const key of values.keys())
    if (!known.includes(key))
      throw new UsageError(`invalid argument "${text}" for "--network" flag: invalid field key ${key}`);
  const one = (key: string) => values.get(key)?.at(-1);
  const ipam = {
    ...(one("ip") === undefined ? {} : { IPv4Address: one("ip") }),
    ...(one("ip6") === undefined ? {} : { IPv6Address: one("ip6") }),
    ...(values.has("link-local-ip") ? { LinkLocalIPs: values.get("link-local-ip") } : {}),
  };
  return {
    name: one("name") ?? "",
    settings: {
      ...(Object.keys(ipam).length > 0 ? { IPAMConfig: ipam } : {}),
      ...(values.has("alias") ? { Aliases: values.get("alias") } : {}),
      ...(values.has("mac-address") ? { MacAddress: one("mac-address") } : {}),
      ...(values.has("driver-opt") ? { DriverOpts: pairs(values.get("driver-opt") ?? []) } : {}),
      ...(values.has("gw-priority") ? { GwPriority: Number(one("gw-priority")) } : {}),
    },
  };
}
