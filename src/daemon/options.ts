/** Where a daemon lives. Every path, bridge name, packet table and cgroup parent derives from these. */
export interface DaemonOptions {
  /** Such as "unix:///run/gantry.sock"; at least one. */
  readonly hosts: readonly string[];
  /** Images, containers, volumes, database. */
  readonly dataRoot: string;
  /** State that does not outlive the machine's run: task folders, sockets, pid file. */
  readonly execRoot: string;
  /** Names the bridge (NAME0), the packet table and the cgroup parent. */
  readonly name: string;
}
