import { readFileSync } from "node:fs";
import type { FlagValues } from "../command/flags.ts";
import { UsageError } from "../command/usage-error.ts";
import { parseMountFlag } from "./mount-flag.ts";
import { networksOf } from "./networks.ts";
import { pairs } from "./pairs.ts";
import { exposedPorts, parsePublish } from "./ports.ts";
import { blkioOf, devicesOf, resourcesOf } from "./resources.ts";

/** The body of POST /containers/create. */
export interface CreateBody extends Record<string, unknown> {
  readonly HostConfig: Record<string, unknown>;
}

/** Translate the flags of create and run. Throws ExitError (125) for a value that no daemon could take. */
export function createBody(flags: FlagValues, image: string, command: readonly string[]): CreateBody {
  const detached = flags.bool("detach");
  const tty = flags.bool("tty");
  const interactive = flags.bool("interactive");
  const attach = new Set(flags.list("attach").map((name) => name.toLowerCase()));
  for (const name of attach) {
    if (!["stdin", "stdout", "stderr"].includes(name))
      throw new UsageError(
        `invalid argument "${name}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`,
      );
  }
  const all = attach.size === 0 && !detached;
  const published = parsePublish(flags.list("publish"));
  const exposed = exposedPorts(flags.list("expose"));
  const volumes = flags.list("volume");
  const networks = networksOf(flags);
  const entrypoint = flags.optional("entrypoint");
  return {
    Hostname: flags.string("hostname"),
    Domainname: flags.string("domainname"),
    User: flags.string("user"),
    AttachStdin: interactive && (all || attach.has("stdin")),
    AttachStdout: all || attach.has("stdout"),
    AttachStderr: all || attach.has("stderr"),
    ExposedPorts: { ...exposed, ...Object.fromEntries(Object.keys(published).map((key) => [key, {}])) },
    Tty: tty,
    OpenStdin: interactive,
    StdinOnce: interactive && (all || attach.has("stdin")),
    Env: environmentOf(flags),
    Cmd: command.length === 0 ? null : command,
    Image: image,
    Volumes: Object.fromEntries(volumes.filter((text) => !text.includes(":")).map((path) => [path, {}])),
    WorkingDir: flags.string("workdir"),
    Entrypoint: entrypoint === undefined ? null : entrypoint === "" ? [""] : [entrypoint],
    Labels: pairs([...flags.list("label-file").flatMap(linesOf), ...flags.list("label")]),
    ...(flags.has("stop-signal") ? { StopSignal: flags.string("stop-signal") } : {}),
    ...(flags.has("stop-timeout") ? { StopTimeout: flags.int("stop-timeout") } : {}),
    ...healthOf(flags),
    HostConfig: {
      Binds: volumes.filter((text) => text.includes(":")),
      ContainerIDFile: flags.string("cidfile"),
      LogConfig: { Type: flags.string("log-driver"), Config: pairs(flags.list("log-opt")) },
      NetworkMode: networks.mode,
      PortBindings: published,
      PublishAllPorts: flags.bool("publish-all"),
      RestartPolicy: restartPolicy(flags.string("restart")),
      AutoRemove: flags.bool("rm"),
      VolumeDriver: flags.string("volume-driver"),
      VolumesFrom: flags.list("volumes-from"),
      Mounts: flags.list("mount").map(parseMountFlag),
      ConsoleSize: tty ? [process.stdout.rows ?? 0, process.stdout.columns ?? 0] : [0, 0],
      ...(flags.has("annotation") ? { Annotations: pairs(flags.list("annotation")) } : {}),
      CapAdd: flags.list("cap-add"),
      CapDrop: flags.list("cap-drop"),
      CgroupnsMode: flags.string("cgroupns"),
      Dns: flags.list("dns"),
      DnsOptions: flags.list("dns-option"),
      DnsSearch: flags.list("dns-search"),
      ExtraHosts: flags.list("add-host"),
      GroupAdd: flags.list("group-add"),
      IpcMode: flags.string("ipc"),
      Links: flags.list("link"),
      OomScoreAdj: flags.int("oom-score-adj") ?? 0,
      PidMode: flags.string("pid"),
      Privileged: flags.bool("privileged"),
      ReadonlyRootfs: flags.bool("read-only"),
      SecurityOpt: flags.list("security-opt").map(securityOption),
      ...(flags.has("storage-opt") ? { StorageOpt: pairs(flags.list("storage-opt")) } : {}),
      ...(flags.has("tmpfs") ? { Tmpfs: tmpfsOf(flags.list("tmpfs")) } : {}),
      UTSMode: flags.string("uts"),
      UsernsMode: flags.string("userns"),
      ...(flags.has("sysctl") ? { Sysctls: pairs(flags.list("sysctl")) } : {}),
      Runtime: flags.string("runtime"),
      Isolation: flags.string("isolation"),
      ...(flags.has("init") ? { Init: flags.bool("init") } : {}),
      ...resourcesOf(flags),
      ...blkioOf(flags),
      ...devicesOf(flags),
    },
    NetworkingConfig: { EndpointsConfig: networks.endpoints },
    ...(flags.has("mac-address") ? { MacAddress: flags.string("mac-address") } : {}),
  };
}

function linesOf(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new Error(`open ${path}: no such file or directory`);
  }
  return text
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** A name without a value takes the client's own, and is left out when the client has none. */
export function environmentOf(flags: FlagValues): string[] {
  const lines = [...flags.list("env-file").flatMap(linesOf), ...flags.list("env")];
  return lines.flatMap((line) => {
    if (line.startsWith("=")) throw new Error(`invalid environment variable: ${line}`);
    if (line.includes("=")) return [line];
    const value = process.env[line];
    return value === undefined ? [] : [`${line}=${value}`];
  });
}

/** "on-failure:3" */
export function restartPolicy(text: string): { Name: string; MaximumRetryCount: number } {
  const [name = "", count] = text.split(":");
  if (count !== undefined && !/^\d+$/.test(count))
    throw new Error(`invalid restart policy format: maximum retry count must be an integer`);
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}

function tmpfsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf(":");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** A seccomp profile is read here: the daemon may be elsewhere. */
function securityOption(text: string): string {
  const path = /^seccomp[=:](.+)$/.exec(text)?.[1];
  if (path === undefined || path === "unconfined" || path === "builtin") return text;
  try {
    return `seccomp=${JSON.stringify(JSON.parse(readFileSync(path, "utf8")))}`;
  } catch (error) {
    throw new Error(
      `opening seccomp profile (${path}) failed: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function healthOf(flags: FlagValues): Record<string, unknown> {
  if (flags.bool("no-healthcheck")) return { Healthcheck: { Test: ["NONE"] } };
  const given = [
    "health-cmd",
    "health-interval",
    "health-retries",
    "health-start-interval",
    "health-start-period",
    "health-timeout",
  ];
  if (!given.some((name) => flags.has(name))) return {};
  return {
    Healthcheck: {
      ...(flags.has("health-cmd") ? { Test: ["CMD-SHELL", flags.string("health-cmd")] } : {}),
      Interval: nanoseconds(flags, "health-interval"),
      Timeout: nanoseconds(flags, "health-timeout"),
      StartPeriod: nanoseconds(flags, "health-start-period"),
      StartInterval: nanoseconds(flags, "health-start-interval"),
      Retries: flags.int("health-retries") ?? 0,
    },
  };
}

function nanoseconds(flags: FlagValues, name: string): number {
  const units: Readonly<Record<string, number>> = {
    ns: 1,
    us: 1e3,
    µs: 1e3,
    ms: 1e6,
    s: 1e9,
    m: 60e9,
    h: 3600e9,
  };
  const text = flags.string(name);
  let total = 0;
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text))
    throw new UsageError(`invalid argument "${text}" for "--${name}" flag: time: invalid duration "${text}"`);
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * (units[unit ?? ""] ?? 0);
  }
  return Math.round(total);
}
