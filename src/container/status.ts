import { humanDuration } from "../units/index.ts";
import type { Health } from "../wire/index.ts";
import type { ContainerLifeState } from "./state.ts";

/** The STATUS column of `ps`: "Up 3 minutes", "Exited (0) 2 hours ago", "Created". */
export function describeStatus(state: ContainerLifeState, nowNs: bigint, health?: Health["Status"]): string {
  const since = (ns: bigint) => humanDuration(Number((nowNs - ns) / 1_000_000n));
  switch (state.status) {
    case "running":
      return `Up ${since(state.startedAtNs)}${healthText(health)}`;
    case "paused":
      return `Up ${since(state.startedAtNs)} (Paused)`;
    case "restarting":
      return `Restarting (${state.last.exitCode}) ${since(state.last.exitedAtNs)} ago`;
    case "exited":
      return `Exited (${state.failure?.exitCode ?? state.last.exitCode}) ${since(state.last.exitedAtNs)} ago`;
    case "removing":
      return "Removal In Progress";
    case "created":
      return "Created";
  }
}

function healthText(health: Health["Status"] | undefined): string {
  if (health === undefined) return "";
  return health === "starting" ? " (health: starting)" : ` (${health})`;
}
