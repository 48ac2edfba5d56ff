import { formatTimestamp } from "../units/index.ts";
import type { ContainerInspect, EndpointSettings, MountPoint, NetworkSettings } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { describeLinks } from "./links.ts";
import { networkModeOf } from "./network-mode.ts";
import type { ContainerRecord, ResolvedMount } from "./record.ts";
import { filesOf } from "./start.ts";
import { describeState, isRunning } from "./state.ts";

/** Everything of one container, as GET /containers/{id}/json has it. */
export async function inspectContainer(
  context: ContainerContext,
  reference: string,
  options: { size: boolean },
): Promise<ContainerInspect> {
  const record = context.table.find(reference);
  const { definition } = record;
  const files = filesOf(context, filesOwner(context, record));
  const [path = "", ...args] = [...(definition.config.Entrypoint ?? []), ...(definition.config.Cmd ?? [])];
  const execs = context.execs.liveOf(record.id);
  const written = record.state.status !== "created";
  return {
    Id: record.id,
    Created: formatTimestamp(record.createdAtNs),
    Path: path,
    Args: args,
    State: { ...describeState(record.state, formatTimestamp), ...healthOf(context, record) },
    Image: definition.imageId,
    ResolvConfPath: written ? files.resolvConf : "",
    HostnamePath: written ? files.hostname : "",
    HostsPath: written ? files.hosts : "",
    LogPath:
      definition.hostConfig.LogConfig.Type === "json-file" && written ? filesOf(context, record.id).log : "",
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: "overlay2",
    Platform: definition.platform,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: execs.length === 0 ? null : execs,
    HostConfig: { ...definition.hostConfig, Links: describeLinks(context, record) },
    GraphDriver: { Name: "overlay2", Data: graphData(context, record) },
    ...(options.size ? await sizesOf(context, record) : {}),
    Mounts: definition.mounts.map(mountPointOf),
    Config: definition.config,
    NetworkSettings: networkSettings(context, record),
  };
}

function healthOf(context: ContainerContext, { id }: ContainerRecord) {
  const health = context.live.peek(id)?.health;
  return health === undefined ? {} : { Health: health };
}

/** Containers that join another one's network use that one's files. */
function filesOwner(context: ContainerContext, record: ContainerRecord): string {
  const mode = networkModeOf(record.definition.hostConfig);
  if (mode.kind !== "container") return record.id;
  return context.table.get(mode.reference)?.id ?? record.id;
}

function graphData(context: ContainerContext, record: ContainerRecord): Record<string, string> {
  const { lower, upper, work } = context.snapshotter.mount(record.id);
  return { LowerDir: lower.join(":"), UpperDir: upper ?? "", WorkDir: work ?? "" };
}

/** Bytes of the writable layer, and of it together with the image. */
export async function sizesOf(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const SizeRw = await context.snapshotter.usage(record.id);
  return {
    SizeRw,
    SizeRootFs: SizeRw + (context.images.findById(record.definition.imageId)?.sizeBytes ?? 0),
  };
}

export function mountPointOf(mount: ResolvedMount): MountPoint {
  const { Type, Name, Source, Destination, Driver, Mode, RW, Propagation } = mount;
  return {
    Type,
    ...(Name === undefined ? {} : { Name }),
    Source,
    Destination,
    ...(Driver === undefined ? {} : { Driver }),
    Mode,
    RW,
    Propagation,
  };
}

/** What the old fields for the default bridge say of a container that is not on it. */
const UNCONNECTED = {
  EndpointID: "",
  Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  MacAddress: "",
};

export const networksOf = (
  context: ContainerContext,
  { id }: ContainerRecord,
): Readonly<Record<string, EndpointSettings>> => context.network.describe(id).networks;

function networkSettings(context: ContainerContext, record: ContainerRecord): NetworkSettings {
  const { sandboxId, networks, ports } = context.network.describe(record.id);
  const settings = networks.bridge ?? UNCONNECTED;
  return {
    Bridge: "",
    SandboxID: sandboxId,
    SandboxKey: isRunning(record.state) ? `/proc/${record.state.pid}/ns/net` : "",
    Ports: ports,
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: settings.EndpointID,
    Gateway: settings.Gateway,
    GlobalIPv6Address: settings.GlobalIPv6Address,
    GlobalIPv6PrefixLen: settings.GlobalIPv6PrefixLen,
    IPAddress: settings.IPAddress,
    IPPrefixLen: settings.IPPrefixLen,
    IPv6Gateway: settings.IPv6Gateway,
    MacAddress: settings.MacAddress,
    Networks: { ...networks },
  };
}
