import { bool, string } from "./command.ts";
import type { Flag } from "./flags.ts";

/** What may stand before the command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  string("config", "Folder of the client's settings and accounts (default $DOCKER_CONFIG, then ~/.docker)"),
  string(
    "context",
    "Docker context whose daemon to connect to (default $DOCKER_CONTEXT, then the current one)",
    {
      short: "c",
    },
  ),
  bool("debug", "Tell of each request to the daemon (--log-level debug)", { short: "D" }),
  bool("help", "Print usage"),
  string(
    "host",
    "Daemon socket to connect to (default $GANTRY_HOST, $DOCKER_HOST, then unix:///run/gantry.sock)",
    {
      short: "H",
    },
  ),
  string("log-level", 'What is told besides: "debug", "info", "warn", "error" or "fatal"', {
    short: "l",
    fallback: "info",
  }),
  bool("tls", "Use TLS; implied by --tlsverify"),
  string(
    "tlscacert",
    "Trust certificates signed only by this CA (default $DOCKER_CERT_PATH/ca.pem, then ~/.docker/ca.pem)",
  ),
  string("tlscert", "Path of the client's certificate (default cert.pem beside it)"),
  string("tlskey", "Path of its key (default key.pem beside it)"),
  bool("tlsverify", "Use TLS and verify the daemon (default whether $DOCKER_TLS_VERIFY is set)"),
  bool("version", "Print version information and quit", { short: "v" }),
];
