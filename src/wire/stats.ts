/** Replies of GET /containers/{id}/stats and /top, and what POST /containers/{id}/update takes (API 1.51). */

import type { Resources, RestartPolicy } from "./container.ts";
import type { PortMap } from "./network.ts";

/** Nanoseconds. */
export interface CpuStats {
  cpu_usage: {
    total_usage: number;
    percpu_usage?: number[];
    usage_in_kernelmode: number;
    usage_in_usermode: number;
  };
  system_cpu_usage?: number;
  online_cpus?: number;
  throttling_data: { periods: number; throttled_periods: number; throttled_time: number };
}

export interface NetworkStats {
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
}

export interface BlkioEntry {
  major: number;
  minor: number;
  op: string;
  value: number;
}

interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly totalNs: number;
}

export interface StatsReply {
  name: string;
  id: string;
  /** RFC 3339; "0001-01-01T00:00:00Z" for a container that does not run. */
  read: string;
  preread: string;
  pids_stats: { current?: number; limit?: number };
  num_procs: number;
  blkio_stats: Record<string, BlkioEntry[] | null>;
  storage_stats: Record<string, never>;
  cpu_stats: CpuStats;
  precpu_stats: CpuStats;
  memory_stats: {
    usage?: number;
    max_usage?: number;
    stats?: Record<string, number>;
    failcnt?: number;
    limit?: number;
  };
  networks?: Record<string, NetworkStats>;
  /** Beyond Docker's API: pressure stall information, where the kernel has it for control groups. */
  pressure_stats?: Readonly<
    Record<"cpu" | "memory" | "io", { readonly some: PressureLine; readonly full?: PressureLine }>
  >;
}

export interface TopReply {
  Titles: string[];
  Processes: string[][];
}

/** Body of POST /containers/{id}/update: zero and null leave a limit as it is. */
export interface UpdateBody {
  /** Gantry's own: ports to publish and to withdraw. */
  publishAdd: PortMap;
  publishRemove: PortMap;
  resources: Resources;
  restartPolicy: RestartPolicy;
}
