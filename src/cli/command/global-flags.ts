import { bool, string } from "./command.ts";
import type { Flag } from "./flags.ts";

/** What may stand before the command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  string("config", "Folder of the client's settings and accounts (default $DOCKER_CONFIG, then ~/.docker)"),
  bool("help", "Print usage"),
  string(
    "host",
    "Daemon socket to connect to (default $GANTRY_HOST, $DOCKER_HOST, then unix:///run/gantry.sock)",
    {
      short: "H",
    },
  ),
  bool("version", "Print version information and quit", { short: "v" }),
];
