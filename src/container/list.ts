import type { ContainerSummary, Filters, Port } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { mountPointOf, networksOf, sizesOf } from "./inspect.ts";
import { containerFilter } from "./list-filters.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./state.ts";
import { describeStatus } from "./status.ts";

export interface ListOptions {
  readonly all: boolean;
  /** 0 = no limit. */
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Filters;
}

/** Containers, newest first. Without `all`, a limit or a filter that speaks of the state, only those that run. */
export async function listContainers(
  context: ContainerContext,
  options: ListOptions,
): Promise<ContainerSummary[]> {
  const { filters, limit } = options;
  const everyState =
    options.all || limit > 0 || ["status", "exited", "before", "since"].some((key) => filters.has(key));
  const matches = containerFilter(context, filters);
  const summaries: ContainerSummary[] = [];
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  for (const record of context.table.list()) {
    const { status } = record.state;
    if (!everyState && !isRunning(record.state) && status !== "restarting") continue;
    if (!matches(record)) continue;
    summaries.push({
      ...summarise(context, record, nowNs),
      ...(options.size ? await sizesOf(context, record) : {}),
    });
    if (limit > 0 && summaries.length === limit) break;
  }
  return summaries;
}

function summarise(context: ContainerContext, record: ContainerRecord, nowNs: bigint): ContainerSummary {
  const { config, hostConfig, imageId, mounts } = record.definition;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: config.Image,
    ImageID: imageId,
    Command: commandLine([...(config.Entrypoint ?? []), ...(config.Cmd ?? [])]),
    Created: Number(record.createdAtNs / 1_000_000_000n),
    Ports: portsOf(context, record),
    Labels: config.Labels,
    State: record.state.status,
    Status: describeStatus(record.state, nowNs, context.live.peek(record.id)?.health?.Status),
    HostConfig: { NetworkMode: hostConfig.NetworkMode },
    NetworkSettings: { Networks: { ...networksOf(context, record) } },
    Mounts: mounts.map(mountPointOf),
  };
}

/** As `ps` shows it: arguments with blanks in them are set in single quotes. */
function commandLine(words: readonly string[]): string {
  return words.map((word, index) => (index > 0 && word.includes(" ") ? `'${word}'` : word)).join(" ");
}

export function portsOf(context: ContainerContext, record: ContainerRecord): Port[] {
  const ports = context.network.describe(record.id).ports;
  return Object.entries(ports).flatMap(([key, bindings]): Port[] => {
    const [port = "", type = "tcp"] = key.split("/");
    const exposed = { PrivatePort: Number(port), Type: type as Port["Type"] };
    if (bindings === null || bindings.length === 0) return [exposed];
    return bindings.map(({ HostIp, HostPort }) => ({ IP: HostIp, ...exposed, PublicPort: Number(HostPort) }));
  });
}
