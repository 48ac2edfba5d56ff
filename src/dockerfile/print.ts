import type { Heredoc } from "./heredoc.ts";
import type { CommandForm, CopyFlags, Dockerfile, HealthFlags, Instruction } from "./instructions.ts";

/** A Dockerfile as text that parses to the same instructions. */
export function printDockerfile(
  file: Pick<Dockerfile, "escape" | "syntax" | "check" | "globalArgs" | "stages">,
): string {
  const directives = [
    file.syntax === undefined ? [] : [`# syntax=${file.syntax}`],
    file.escape === "\\" ? [] : ["# escape=`"],
    file.check === undefined ? [] : [`# check=${file.check}`],
  ].flat();
  const instructions = [
    ...file.globalArgs,
    ...file.stages.flatMap(({ from, instructions: rest }) => [from, ...rest]),
  ];
  return `${[...directives, ...instructions.map(printInstruction)].join("\n")}\n`;
}

export function printInstruction(instruction: Instruction): string {
  return `${instruction.name} ${argumentsOf(instruction)}${instruction.name === "ONBUILD" ? "" : bodies(instruction.heredocs)}`;
}

const bodies = (heredocs: readonly Heredoc[]) =>
  heredocs.map(({ content, name }) => `\n${content}${name}`).join("");

function argumentsOf(item: Instruction): string {
  switch (item.name) {
    case "FROM":
      return [flag("platform", item.platform), item.image, item.stage === "" ? "" : `AS ${item.stage}`]
        .filter(Boolean)
        .join(" ");
    case "ARG":
      return item.args.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`)).join(" ");
    case "ENV":
    case "LABEL":
      return item.pairs.map(({ key, value }) => `${key}${item.legacy ? " " : "="}${value}`).join(" ");
    case "RUN":
      return [
        ...item.mounts.map((mount) => flag("mount", mount)),
        flag("network", item.network),
        flag("security", item.security),
        ...item.devices.map(({ name, required }) =>
          flag("device", `name=${name}${required ? ",required" : ""}`),
        ),
        commandText(item.command),
      ]
        .filter(Boolean)
        .join(" ");
    case "CMD":
    case "ENTRYPOINT":
      return commandText(item.command);
    case "COPY":
    case "ADD":
      return [...copyFlags(item.flags), copyWords(item)].filter(Boolean).join(" ");
    case "EXPOSE":
      return item.ports.join(" ");
    case "VOLUME":
      return JSON.stringify(item.paths);
    case "SHELL":
      return JSON.stringify(item.shell);
    case "HEALTHCHECK":
      return [
        ...healthFlags(item.flags),
        item.command === "none" ? "NONE" : `CMD ${commandText(item.command)}`,
      ].join(" ");
    case "ONBUILD":
      return item.trigger;
    default:
      return item.value;
  }
}

const commandText = (command: CommandForm) =>
  command.form === "exec" ? JSON.stringify(command.args) : command.command;

/** `--name=value` with what would end the word escaped, or nothing for an empty value. */
function flag(name: string, value: string): string {
  return value === "" ? "" : `--${name}=${/[\s'"\\`]/.test(value) ? `'${value}'` : value}`;
}

const flags = (values: readonly (readonly [name: string, value: string])[]) =>
  values.map(([name, value]) => flag(name, value)).filter(Boolean);

function copyFlags(own: CopyFlags): string[] {
  return flags([
    ["from", own.from],
    ["chown", own.chown],
    ["chmod", own.chmod],
    ["link", own.link ? "true" : ""],
    ["parents", own.parents ? "true" : ""],
    ["checksum", own.checksum],
    ["keep-git-dir", own.keepGitDir ? "true" : ""],
    ["unpack", own.unpack === undefined ? "" : String(own.unpack)],
    ...own.exclude.map((pattern) => ["exclude", pattern] as const),
  ]);
}

function copyWords({ sources, destination }: Extract<Instruction, { name: "COPY" | "ADD" }>): string {
  const words = sources.map((source) =>
    source.kind === "path" ? source.path : printOpening(source.heredoc),
  );
  const all = [...words, destination];
  return all.some((word) => /\s|^\[/.test(word)) ? JSON.stringify(all) : all.join(" ");
}

const printOpening = ({ descriptor, stripTabs, expand, name }: Heredoc) =>
  `${descriptor < 0 ? "" : descriptor}<<${stripTabs ? "-" : ""}${expand ? name : `"${name}"`}`;

function healthFlags(own: HealthFlags): string[] {
  return flags([
    ["interval", own.interval],
    ["timeout", own.timeout],
    ["start-period", own.startPeriod],
    ["start-interval", own.startInterval],
    ["retries", own.retries],
  ]);
}
