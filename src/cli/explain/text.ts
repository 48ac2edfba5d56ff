import { basename } from "node:path";
import { binarySize, humanSize } from "../../units/index.ts";
import type { ContainerExplanation, ExplainedNetwork } from "../../wire/index.ts";
import { shortId } from "../output/words.ts";
import { columns } from "./columns.ts";
import { planLines } from "./plan-text.ts";

/** What makes a container, for a person: one section for each part, each with a line on what it is good for. */
export function explanationText(explanation: ContainerExplanation): string {
  const sections = [
    head(explanation),
    section(
      "NAMESPACES",
      "what it sees of the machine; nobody outside a namespace is touched by what is done in it",
      namespaces(explanation),
    ),
    section(
      `CONTROL GROUP ${explanation.Cgroup.Path}`,
      "how much of the machine it gets",
      limits(explanation),
    ),
    section(
      "ROOT FILE SYSTEM",
      "layers, the lowest first; a file is the one of the highest layer that has it",
      layers(explanation),
    ),
    section("MOUNTS", "what else lies in its tree", mounts(explanation)),
    section("RIGHTS", "what its processes may ask of the kernel", rights(explanation)),
    ...explanation.Networks.map((network) =>
      section(
        `NETWORK ${network.Name}`,
        `the way of a packet, from the container outwards; driver ${network.Driver}`,
        path(network),
      ),
    ),
    section("LAUNCH PLAN", planSummary(explanation), planLines(explanation.Plan)),
  ];
  return `${sections.join("\n\n").replaceAll(LONG_ID, (id) => `${shortId(id)}…`)}\n`;
}

const LONG_ID = /\b[0-9a-f]{64}\b/g;

const section = (title: string, about: string, lines: readonly string[]): string =>
  [`${title}: ${about}`, ...(lines.length === 0 ? ["  (none)"] : lines)].join("\n");

const planSummary = ({ Plan, Pid }: ContainerExplanation): string =>
  `${Plan.length} operations ${Pid === 0 ? "that would make it" : "that made it"}, and the system calls that each becomes`;

function head({ Id, Name, Status, Pid, Image, Command, Runtime }: ContainerExplanation): string {
  const what = Id === "" ? `${Name} (not made)` : `${Name} (${shortId(Id)})`;
  return [
    `CONTAINER ${what}: ${Status}${Pid === 0 ? "" : `, its first process is ${Pid} on the host`}`,
    `  image ${Image}, made by the runtime ${Runtime}`,
    `  runs ${Command.map((word) => JSON.stringify(word)).join(" ")}`,
  ].join("\n");
}

const NAMESPACE_WORDS: Readonly<Record<string, string>> = {
  mnt: "mounts",
  pid: "process ids",
  net: "interfaces, addresses, routes, ports",
  uts: "host name",
  ipc: "message queues, semaphores, shared memory",
  user: "user ids",
  cgroup: "what its control groups look like",
  time: "clocks",
};

const namespaces = ({ Namespaces }: ContainerExplanation): string[] =>
  columns(
    Namespaces.map(({ Kind, Flag, Sharing, With, Inode }) => [
      Kind,
      Sharing === "own"
        ? "its own"
        : Sharing === "host"
          ? "the host's"
          : `shared with ${With.join(", ") || "another container"}`,
      Inode === 0 ? Flag : `${Flag}, ${Kind}:[${Inode}]`,
      NAMESPACE_WORDS[Kind] ?? "",
    ]),
  );

function limits({ Cgroup }: ContainerExplanation): string[] {
  const folders = Cgroup.Folders.map(({ Folder, Version, Controllers }) => [
    `version ${Version}`,
    Controllers.join(", "),
    Folder,
  ]);
  const rows = Cgroup.Limits.map(({ Name, Limit, Use, Unit, File }) => {
    const file = basename(File);
    const words = [
      ...(Limit === null ? ["no limit"] : [quantity(Limit, Unit)]),
      ...(Use === null || Use === "" ? [] : [`${quantity(Use, Unit)} used`]),
    ];
    return [...(Name === file ? [] : [Name]), file, words.join(", ")];
  });
  const pressure = Object.entries(Cgroup.Pressure ?? {}).map(([what, percent]) => [
    `waiting for ${what}`,
    `${what}.pressure`,
    `some of its processes in ${percent.toFixed(2)}% of the last ten seconds`,
  ]);
  return [...columns([...rows, ...pressure]), "  in the folders", ...columns(folders)];
}

function quantity(text: string, unit: string): string {
  if (!/^\d+$/.test(text)) return text;
  return unit === "bytes" ? binarySize(Number(text)) : text;
}

function layers({ Root }: ContainerExplanation): string[] {
  const rows = Root.Layers.map(({ Folder, Size, CreatedBy, Writable }, at) => [
    String(at + 1),
    humanSize(Size),
    Folder === "" ? "(a new folder)" : Folder,
    Writable
      ? "the container's own: takes all that it writes"
      : `read-only; ${CreatedBy.replaceAll(/\s+/g, " ")}`,
  ]);
  return [
    ...columns(rows),
    ...(Root.Limit === null
      ? []
      : [
          `  limited by a disk quota: ${binarySize(Root.Limit.Bytes)}, ${binarySize(Root.Limit.Used)} used by what the container has written`,
        ]),
    ...(Root.MountOptions === "" ? [] : [`  mounted as overlay with ${Root.MountOptions}`]),
  ];
}

const mounts = ({ Mounts }: ContainerExplanation): string[] =>
  columns(
    Mounts.filter(({ Target }) => Target !== "/").map(({ Target, Type, Source, Options }) => [
      Target,
      Type,
      Options.split(";")[0] ?? "",
      Source,
    ]),
  );

function rights({ Rights }: ContainerExplanation): string[] {
  const { User, Capabilities, NoNewPrivileges, Seccomp } = Rights;
  const bare = (names: readonly string[]) =>
    names.map((name) => name.replace("CAP_", "").toLowerCase()).join(" ");
  return columns([
    ["user", User],
    [`keeps ${Capabilities.Kept.length} capabilities`, bare(Capabilities.Kept)],
    [`lacks ${Capabilities.Dropped.length}`, bare(Capabilities.Dropped)],
    ["gains rights by set-user-id programs", NoNewPrivileges ? "no" : "yes, within what it keeps"],
    ["system calls", seccompWords(Seccomp)],
  ]);
}

function seccompWords(seccomp: ContainerExplanation["Rights"]["Seccomp"]): string {
  if (seccomp === null) return "not filtered";
  const words: Readonly<Record<string, string>> = { allow: "lets through", errno: "refuses" };
  const verdicts = seccomp.Verdicts.map(
    ({ Action, Calls, Conditional }) =>
      `${words[Action] ?? Action} ${Calls}${Conditional === 0 ? "" : ` (${Conditional} of them only with certain arguments)`}`,
  );
  // What another runtime compiled is not known.
  const size = seccomp.Instructions === 0 ? "" : ` of ${seccomp.Instructions} instructions`;
  return `a filter${size}: ${[...verdicts, `${words[seccomp.Default] ?? seccomp.Default} all others`].join(", ")}`;
}

const path = ({ Path }: ExplainedNetwork): string[] =>
  columns(Path.map(({ Where, What, Name, Detail }) => [Where, What, Name, Detail]));
