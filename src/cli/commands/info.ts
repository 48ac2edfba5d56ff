import { binarySize } from "../../units/index.ts";
import { ENGINE_VERSION, type InfoReply } from "../../wire/index.ts";
import { type Command, INSPECT_FORMAT_FLAG } from "../command/command.ts";
import { print, printError } from "../output/print.ts";
import { compileTemplate } from "../template/index.ts";

export const info: Command = {
  name: "info",
  usage: "[OPTIONS]",
  description: "Display system-wide information",
  aliases: ["system info", "info"],
  flags: [INSPECT_FORMAT_FLAG],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const reply = await client.json<InfoReply>("GET", "/info");
    const format = flags.string("format");
    if (format === "json") await print(`${JSON.stringify(reply)}\n`);
    else if (format !== "") await print(`${compileTemplate(format).render(reply)}\n`);
    else {
      await print(`${describe(reply).join("\n")}\n`);
      for (const warning of strings(reply.Warnings)) printError(warning);
    }
    return 0;
  },
};

/** Docker's lines, those that say something; what a daemon does not tell has no line. */
function describe(reply: InfoReply): string[] {
  const { InsecureRegistryCIDRs, Mirrors } = Object(reply.RegistryConfig ?? {});
  return [
    "Client:",
    ` Version:    ${ENGINE_VERSION}`,
    ` Debug Mode: ${process.env.DEBUG !== undefined}`,
    "",
    "Server:",
    ` Containers: ${reply.Containers}`,
    `  Running: ${reply.ContainersRunning}`,
    `  Paused: ${reply.ContainersPaused}`,
    `  Stopped: ${reply.ContainersStopped}`,
    ` Images: ${reply.Images}`,
    ` Server Version: ${reply.ServerVersion}`,
    ` Storage Driver: ${reply.Driver}`,
    ...pairs(reply.DriverStatus).map(([key, value]) => `  ${key}: ${value}`),
    ` Logging Driver: ${reply.LoggingDriver}`,
    ...given("Cgroup Driver", reply.CgroupDriver),
    ...given("Cgroup Version", reply.CgroupVersion),
    " Plugins:",
    ...Object.entries(Object(reply.Plugins ?? {}))
      .filter(([, names]) => strings(names).length > 0)
      .map(([kind, names]) => `  ${kind}: ${strings(names).join(" ")}`),
    ...below("CDI spec directories", strings(reply.CDISpecDirs)),
    ` Swarm: ${Object(reply.Swarm ?? {}).LocalNodeState ?? "inactive"}`,
    ` Runtimes: ${Object.keys(Object(reply.Runtimes ?? {})).join(" ")}`,
    ` Default Runtime: ${reply.DefaultRuntime}`,
    ...given("Init Binary", reply.InitBinary),
    ...commit("containerd", reply.ContainerdCommit),
    ...commit("runc", reply.RuncCommit),
    ...commit("init", reply.InitCommit),
    ...below(
      "Security Options",
      strings(reply.SecurityOptions).map((option) =>
        option.replace(/^name=/, "").replace(",profile=", "\n   Profile: "),
      ),
    ),
    ` Kernel Version: ${reply.KernelVersion}`,
    ` Operating System: ${reply.OperatingSystem}`,
    ` OSType: ${reply.OSType}`,
    ` Architecture: ${reply.Architecture}`,
    ` CPUs: ${reply.NCPU}`,
    ` Total Memory: ${binarySize(Number(reply.MemTotal))}`,
    ` Name: ${reply.Name}`,
    ` ID: ${reply.ID}`,
    ` Root Dir: ${reply.DockerRootDir}`,
    ` Debug Mode: ${reply.Debug}`,
    ...given("HTTP Proxy", reply.HttpProxy),
    ...given("HTTPS Proxy", reply.HttpsProxy),
    ...given("No Proxy", reply.NoProxy),
    ...below("Labels", strings(reply.Labels)),
    ` Experimental: ${reply.ExperimentalBuild}`,
    ...below("Insecure Registries", strings(InsecureRegistryCIDRs)),
    ...below("Registry Mirrors", strings(Mirrors)),
    ` Live Restore Enabled: ${reply.LiveRestoreEnabled}`,
  ];
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const pairs = (value: unknown): string[][] => (Array.isArray(value) ? value.map(strings) : []);
const given = (name: string, value: unknown): string[] =>
  typeof value === "string" && value !== "" ? [` ${name}: ${value}`] : [];
const below = (name: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [` ${name}:`, ...lines.map((line) => `  ${line}`)];

/** A program beside the engine; where there is none, Docker's API says N/A. */
function commit(name: string, value: unknown): string[] {
  const { ID } = Object(value ?? {});
  return typeof ID === "string" && ID !== "N/A" ? given(`${name} version`, ID) : [];
}
