import type { NetworkInspect } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG, int, list, string } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { confirm } from "../output/confirm.ts";
import { type Column, printList } from "../output/list.ts";
import { print, printLine } from "../output/print.ts";
import { pairs } from "../run/pairs.ts";
import { forEach, segment } from "./each.ts";
import { filtersOf } from "./filters.ts";
import { ipamConfigs } from "./network-ipam.ts";

export const createNetwork: Command = {
  name: "network create",
  usage: "[OPTIONS] NETWORK",
  description: "Create a network",
  flags: [
    bool("attachable", "Let containers be attached by hand"),
    list("aux-address", "Addresses that are used by others (name=address)", { type: "map" }),
    string("driver", "Driver of the network: bridge, macvlan or ipvlan", { short: "d", fallback: "bridge" }),
    list("gateway", "Gateway of the subnet", { type: "ipSlice" }),
    bool("internal", "No way out of the network and none into it"),
    list("ip-range", "Give containers addresses from a part of the subnet"),
    string("ipam-driver", "Driver of the addresses", { fallback: "default" }),
    list("ipam-opt", "Options of the driver of the addresses", { type: "map" }),
    bool("ipv4", "Give addresses of IPv4", { fallback: "true" }),
    bool("ipv6", "Give addresses of IPv6"),
    list("label", "Set metadata"),
    list("opt", "Options of the driver", { short: "o", type: "map" }),
    list("subnet", "Subnet in CIDR form"),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [Name = ""], client }) {
    const { Id, Warning } = await client.json<{ Id: string; Warning: string }>(
      "POST",
      "/networks/create",
      {},
      {
        Name,
        Driver: flags.string("driver"),
        Internal: flags.bool("internal"),
        Attachable: flags.bool("attachable"),
        EnableIPv4: flags.bool("ipv4"),
        EnableIPv6: flags.bool("ipv6"),
        IPAM: {
          Driver: flags.string("ipam-driver"),
          Options: pairs(flags.list("ipam-opt")),
          Config: ipamConfigs({
            subnets: flags.list("subnet"),
            ranges: flags.list("ip-range"),
            gateways: flags.list("gateway"),
            auxAddresses: pairs(flags.list("aux-address")),
          }),
        },
        Options: pairs(flags.list("opt")),
        Labels: pairs(flags.list("label")),
      },
    );
    if (Warning !== "") process.stderr.write(`WARNING: ${Warning}\n`);
    await printLine(Id);
    return 0;
  },
};

export const listNetworks: Command = {
  name: "network ls",
  usage: "[OPTIONS]",
  description: "List networks",
  aliases: ["network ls", "network list"],
  flags: [
    list("filter", "Show only what fits (key=value)", { short: "f", type: "filter" }),
    FORMAT_FLAG,
    bool("no-trunc", "Do not shorten output"),
    bool("quiet", "Print IDs only", { short: "q" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const found = await client.json<NetworkInspect[]>("GET", "/networks", {
      filters: filtersOf(flags.list("filter")),
    });
    const networks = found.toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
    const whole = flags.bool("no-trunc");
    const format = flags.string("format");
    if (flags.bool("quiet") && format === "") {
      await print(networks.map(({ Id }) => `${idOf(Id, whole)}\n`).join(""));
      return 0;
    }
    await printList(networks, {
      columns: columns(whole),
      shown: ["ID", "Name", "Driver", "Scope"],
      methods: { Label: ({ Labels }, key) => Labels[String(key)] ?? "" },
      format,
    });
    return 0;
  },
};

const idOf = (id: string, whole: boolean) => (whole ? id : id.slice(0, 12));

function columns(whole: boolean): Column<NetworkInspect>[] {
  return [
    { name: "ID", header: "NETWORK ID", text: ({ Id }) => idOf(Id, whole) },
    { name: "Name", header: "NAME", text: ({ Name }) => Name },
    { name: "Driver", header: "DRIVER", text: ({ Driver }) => Driver },
    { name: "Scope", header: "SCOPE", text: ({ Scope }) => Scope },
    { name: "IPv4", header: "IPV4", text: ({ EnableIPv4 }) => String(EnableIPv4) },
    { name: "IPv6", header: "IPV6", text: ({ EnableIPv6 }) => String(EnableIPv6) },
    { name: "Internal", header: "INTERNAL", text: ({ Internal }) => String(Internal) },
    {
      name: "Labels",
      header: "LABELS",
      text: ({ Labels }) =>
        Object.entries(Labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(","),
    },
    { name: "CreatedAt", header: "CREATED AT", text: ({ Created }) => Created },
  ];
}

export const removeNetworks: Command = {
  name: "network rm",
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  description: "Remove one or more networks",
  aliases: ["network rm", "network remove"],
  flags: [bool("force", "Do not fail for a network that is not there", { short: "f" })],
  minArgs: 1,
  run: ({ flags, args, client }) =>
    forEach(args, async (name) => {
      try {
        await client.json("DELETE", `/networks/${segment(name)}`);
      } catch (error) {
        if (!(flags.bool("force") && isNotFound(error))) throw error;
      }
    }),
};

const isNotFound = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "status" in error && error.status === 404;

export const pruneNetworks: Command = {
  name: "network prune",
  usage: "[OPTIONS]",
  description: "Remove all unused networks",
  flags: [
    list("filter", "Remove only what fits (until=TIME, label=KEY)", { type: "filter" }),
    bool("force", "Do not ask", { short: "f" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const warning = "WARNING! This will remove all custom networks not used by at least one container.";
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const { NetworksDeleted } = await client.json<{ NetworksDeleted: string[] | null }>(
      "POST",
      "/networks/prune",
      { filters: filtersOf(flags.list("filter")) },
    );
    const removed = NetworksDeleted ?? [];
    if (removed.length > 0) await print(`Deleted Networks:\n${removed.join("\n")}\n\n`);
    return 0;
  },
};

export const connectNetwork: Command = {
  name: "network connect",
  usage: "[OPTIONS] NETWORK CONTAINER",
  description: "Connect a container to a network",
  flags: [
    list("alias", "Add a name of the container in the network"),
    list("driver-opt", "Options of the network's driver", { type: "map" }),
    int("gw-priority", "The network with the highest gives the default gateway"),
    string("ip", "IPv4 address"),
    string("ip6", "IPv6 address"),
    list("link", "Add a link to another container"),
    list("link-local-ip", "Add a link-local address"),
  ],
  minArgs: 2,
  maxArgs: 2,
  async run({ flags, args: [network = "", Container = ""], client }) {
    await client.json(
      "POST",
      `/networks/${segment(network)}/connect`,
      {},
      {
        Container,
        EndpointConfig: {
          IPAMConfig: {
            IPv4Address: flags.string("ip"),
            IPv6Address: flags.string("ip6"),
            LinkLocalIPs: flags.list("link-local-ip"),
          },
          Aliases: flags.list("alias"),
          Links: flags.list("link"),
          DriverOpts: pairs(flags.list("driver-opt")),
          GwPriority: flags.int("gw-priority") ?? 0,
        },
      },
    );
    return 0;
  },
};

export const disconnectNetwork: Command = {
  name: "network disconnect",
  usage: "[OPTIONS] NETWORK CONTAINER",
  description: "Disconnect a container from a network",
  flags: [bool("force", "Also a container that is no more", { short: "f" })],
  minArgs: 2,
  maxArgs: 2,
  async run({ flags, args: [network = "", Container = ""], client }) {
    if (Container === "") throw new ExitError(1, "the name of the container is empty");
    await client.json(
      "POST",
      `/networks/${segment(network)}/disconnect`,
      {},
      {
        Container,
        Force: flags.bool("force"),
      },
    );
    return 0;
  },
};
