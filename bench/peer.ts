import type { Finished } from "../test/harness/index.ts";

/** An engine under measurement. All of them are driven by command lines, as people drive them. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** The command that stands before "run", "exec", …: the docker CLI for both daemons, podman's own. */
  readonly command: readonly string[];
  /** The engine's own client, where it does what docker's does in another way. */
  readonly own?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Command that runs a program where the engine's loopback is, for registries. */
  readonly inside: readonly string[];
  /** Processes that are there whether containers run or not. */
  daemonPids(): number[];
  /** Processes that supervise one container each. */
  shimPids(): number[];
}

/** A row's failure on one engine is told in the table and does not end the others. */
export class RowError extends Error {}

export function succeed(peer: Peer, args: readonly string[], { stderr, exitCode }: Finished): void {
  if (exitCode !== 0) throw new RowError(`${peer.name} ${args.join(" ")}: exit code ${exitCode}: ${stderr}`);
}
