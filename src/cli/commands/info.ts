import { binarySize } from "../../units/index.ts";
import type { InfoReply } from "../../wire/index.ts";
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

/** Docker's lines about a server, those that apply to Gantry. */
function describe(reply: InfoReply): string[] {
  const plugins = Object.entries(Object(reply.Plugins ?? {})).filter(
    ([, names]) => strings(names).length > 0,
  );
  return [
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
    ` Cgroup Driver: ${reply.CgroupDriver}`,
    ` Cgroup Version: ${reply.CgroupVersion}`,
    " Plugins:",
    ...plugins.map(([kind, names]) => `  ${kind}: ${strings(names).join(" ")}`),
    ` Runtimes: ${Object.keys(Object(reply.Runtimes ?? {})).join(" ")}`,
    ` Default Runtime: ${reply.DefaultRuntime}`,
    " Security Options:",
    ...strings(reply.SecurityOptions).map(
      (option) => `  ${option.replace(/^name=/, "").replace(",profile=", "\n   Profile: ")}`,
    ),
    ` Kernel Version: ${reply.KernelVersion}`,
    ` Operating System: ${reply.OperatingSystem}`,
    ` OSType: ${reply.OSType}`,
    ` Architecture: ${reply.Architecture}`,
    ` CPUs: ${reply.NCPU}`,
    ` Total Memory: ${binarySize(Number(reply.MemTotal))}`,
    ` Name: ${reply.Name}`,
    ` ID: ${reply.ID}`,
    ` Gantry Root Dir: ${reply.DockerRootDir}`,
    ` Debug Mode: ${reply.Debug}`,
    ` Live Restore Enabled: ${reply.LiveRestoreEnabled}`,
  ];
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const pairs = (value: unknown): string[][] => (Array.isArray(value) ? value.map(strings) : []);
