import { type IpPrefix, parseIp, parsePrefix, prefixContains } from "../../units/index.ts";
import { ExitError } from "../command/usage-error.ts";

export interface IpamFlags {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxAddresses: Readonly<Record<string, string>>;
}

/** One entry of IPAM.Config for each subnet, with the range, gateway and addresses that lie in it. Throws ExitError. */
export function ipamConfigs({
  subnets,
  ranges,
  gateways,
  auxAddresses,
}: IpamFlags): Record<string, unknown>[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length)
    throw new ExitError(1, "every ip-range or gateway must have a corresponding subnet");
  const entries = subnets.map((Subnet) => ({
    Subnet,
    prefix: parsePrefix(Subnet),
    config: {} as Record<string, unknown>,
  }));
  const put = (text: string, what: string, key: string, value: unknown) => {
    const entry = entries.find(({ prefix }) => prefix !== undefined && lies(text, prefix));
    if (entry === undefined) throw new ExitError(1, `no matching subnet for ${what} ${text}`);
    if (entry.config[key] !== undefined)
      throw new ExitError(
        1,
        `cannot configure multiple ${what}s (${text}) on the same subnet (${entry.Subnet})`,
      );
    entry.config[key] = value;
  };
  for (const range of ranges) put(range, "range", "IPRange", range);
  for (const gateway of gateways) put(gateway, "gateway", "Gateway", gateway);
  for (const [name, address] of Object.entries(auxAddresses)) {
    const entry = entries.find(({ prefix }) => prefix !== undefined && lies(address, prefix));
    if (entry === undefined) throw new ExitError(1, `no matching subnet for aux-address ${address}`);
    entry.config.AuxiliaryAddresses = {
      ...(entry.config.AuxiliaryAddresses as Record<string, string> | undefined),
      [name]: address,
    };
  }
  return entries.map(({ Subnet, config }) => ({ Subnet, ...config }));
}

function lies(text: string, prefix: IpPrefix): boolean {
  const address = parseIp(text.split("/")[0] ?? "");
  return address !== undefined && prefixContains(prefix, address);
}
