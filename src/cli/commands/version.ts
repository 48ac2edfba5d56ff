import { API_VERSION, BUILD_TIME, ENGINE_VERSION, GIT_COMMIT, type VersionReply } from "../../wire/index.ts";
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
    let Server: VersionReply | null = null;
    let ApiVersion = API_VERSION;
    let failure: unknown;
    try {
      ApiVersion = await client.apiVersion();
      Server = await client.json<VersionReply>("GET", "/version");
    } catch (error) {
      failure = error;
    }
    const Client = {
      Version: ENGINE_VERSION,
      ApiVersion,
      DefaultAPIVersion: API_VERSION,
      GitCommit: GIT_COMMIT,
      GoVersion: `bun${process.versions.bun ?? ""}`,
      Os: "linux",
      Arch: process.arch === "x64" ? "amd64" : process.arch,
      BuildTime: BUILD_TIME,
    };
    const format = flags.string("format");
    if (format === "json") await print(`${JSON.stringify({ Client, Server })}\n`);
    else if (format !== "") await print(`${compileTemplate(format).render({ Client, Server })}\n`);
    else await print(clientLines(Client) + (Server === null ? "" : serverLines(Server)));
    if (failure === undefined) return 0;
    printError(sentenceOf(failure));
    return 1;
  },
};

type ClientVersion = Pick<
  VersionReply,
  "Version" | "ApiVersion" | "GitCommit" | "GoVersion" | "Os" | "Arch" | "BuildTime"
>;

function clientLines(client: ClientVersion): string {
  const isOlder = client.ApiVersion !== API_VERSION;
  return [
    "Client:",
    ...columns(1, [
      ["Version", client.Version],
      ["API version", `${client.ApiVersion}${isOlder ? ` (downgraded from ${API_VERSION})` : ""}`],
      ...builtFrom(client),
      ["OS/Arch", `${client.Os}/${client.Arch}`],
    ]),
    "",
  ].join("\n");
}

function serverLines(server: VersionReply): string {
  const name = server.Platform?.Name ?? "";
  return [
    "",
    `Server:${name === "" ? "" : ` ${name}`}`,
    " Engine:",
    ...columns(2, [
      ["Version", server.Version],
      ["API version", `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`],
      ...builtFrom(server),
      ["OS/Arch", `${server.Os}/${server.Arch}`],
      ["Kernel version", server.KernelVersion],
      ["Experimental", String(server.Experimental ?? false)],
    ]),
    ...(server.Components ?? [])
      .filter(({ Name }) => Name !== "Engine")
      .flatMap(({ Name, Version, Details }) => [
        ` ${Name}:`,
        ...columns(2, [
          ["Version", Version],
          ["GitCommit", Details?.GitCommit ?? ""],
        ]),
      ]),
    "",
  ].join("\n");
}

const builtFrom = ({
  GoVersion,
  GitCommit,
  BuildTime,
}: Pick<VersionReply, "GoVersion" | "GitCommit" | "BuildTime">): [string, string][] => [
  [GoVersion.startsWith("go") ? "Go version" : "Runtime", GoVersion],
  ["Git commit", GitCommit],
  ["Built", builtAt(BuildTime)],
];

/** RFC 3339 as Docker's clients print it: "Thu May  7 21:09:36 2026", in UTC. */
function builtAt(text: string): string {
  const [day = "", date = "", month, year, time] = new Date(text).toUTCString().replace(",", "").split(" ");
  return time === undefined ? text : `${day} ${month} ${date.replace(/^0/, " ")} ${time} ${year}`;
}

const WIDTH = 20;

/** "NAME:   VALUE" with the values below each other; what is not known has no line. */
const columns = (indent: number, pairs: readonly [string, string][]): string[] =>
  pairs.flatMap(([name, value]) =>
    value === "" ? [] : [`${" ".repeat(indent)}${`${name}:`.padEnd(WIDTH - indent)}${value}`],
  );
