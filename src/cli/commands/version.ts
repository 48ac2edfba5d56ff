import { API_VERSION, ENGINE_VERSION, type VersionReply } from "../../wire/index.ts";
import { type Command, INSPECT_FORMAT_FLAG } from "../command/command.ts";
import { sentenceOf } from "../command/execute.ts";
import { print, printError } from "../output/print.ts";
import { compileTemplate } from "../template/index.ts";

export const version: Command = {
  name: "version",
  usage: "[OPTIONS]",
  description: "Show the version of client and server",
  flags: [INSPECT_FORMAT_FLAG],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const Client = {
      Version: ENGINE_VERSION,
      ApiVersion: API_VERSION,
      DefaultAPIVersion: API_VERSION,
      Os: "linux",
      Arch: "amd64",
    };
    let Server: VersionReply | null = null;
    let failure: unknown;
    try {
      Server = await client.json<VersionReply>("GET", "/version");
    } catch (error) {
      failure = error;
    }
    const format = flags.string("format");
    if (format === "json") await print(`${JSON.stringify({ Client, Server })}\n`);
    else if (format !== "") await print(`${compileTemplate(format).render({ Client, Server })}\n`);
    else await print(clientLines(Client) + (Server === null ? "" : serverLines(Server)));
    if (failure === undefined) return 0;
    printError(sentenceOf(failure));
    return 1;
  },
};

function clientLines(client: { Version: string; ApiVersion: string; Os: string; Arch: string }): string {
  return [
    "Client:",
    ` Version:           ${client.Version}`,
    ` API version:       ${client.ApiVersion}`,
    ` OS/Arch:           ${client.Os}/${client.Arch}`,
    "",
  ].join("\n");
}

function serverLines({
  Platform,
  Version,
  ApiVersion,
  MinAPIVersion,
  Os,
  Arch,
  KernelVersion,
  Components,
}: VersionReply): string {
  return [
    "",
    `Server: ${Platform.Name}`,
    " Engine:",
    `  Version:          ${Version}`,
    `  API version:      ${ApiVersion} (minimum version ${MinAPIVersion})`,
    `  OS/Arch:          ${Os}/${Arch}`,
    `  Kernel version:   ${KernelVersion}`,
    ...Components.filter(({ Name }) => Name !== "Engine").flatMap((component) => [
      ` ${component.Name}:`,
      `  Version:          ${component.Version}`,
    ]),
    "",
  ].join("\n");
}
