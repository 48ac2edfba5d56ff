import {
  type CommandForm,
  expand,
  expandBody,
  type Instruction,
  type InstructionOf,
  parseMountFlag,
} from "../../dockerfile/index.ts";
import { forbidden, invalid } from "../../errors/index.ts";
import type { StepInfo } from "../events.ts";
import { applyMetadata, commandOf, DEFAULT_SHELL, inWorkingDir } from "./metadata.ts";
import { located, type Planning } from "./planning.ts";
import { requireExecutable } from "./platform.ts";
import { lookupOf, type StageState } from "./stage-state.ts";
import type { RunMount, Vertex } from "./vertex.ts";

/** Carry a stage one instruction further. */
export async function applyInstruction(
  planning: Planning,
  state: StageState,
  instruction: Instruction,
  stage: number,
): Promise<void> {
  if (instruction.name === "FROM") throw invalid("FROM begins a stage and stands in none");
  const makesFiles = ["RUN", "COPY", "ADD", "WORKDIR"].includes(instruction.name);
  const step = planning.newStep(stage, state.name, instruction, !makesFiles);
  await located(step, async () => {
    switch (instruction.name) {
      case "ARG":
        declare(planning, state, instruction);
        break;
      case "RUN":
        await applyRun(planning, state, instruction, stage, step);
        break;
      case "COPY":
      case "ADD":
        await applyCopy(planning, state, instruction, stage, step);
        break;
      case "WORKDIR":
        applyWorkdir(planning, state, instruction, stage, step);
        break;
      default: {
        applyMetadata(state, instruction, planning.file.escape);
        state.history.push({ createdBy: instruction.text, vertex: undefined });
      }
    }
  });
}

function declare(planning: Planning, state: StageState, { args, text }: InstructionOf<"ARG">): void {
  const { request, globals, file } = planning;
  for (const { key, value } of args) {
    planning.use(key);
    const given = request.buildArgs.get(key);
    const inherited = value === undefined ? globals.get(key) : undefined;
    if (given !== undefined) state.args.set(key, given);
    else if (value !== undefined) state.args.set(key, expand(value, file.escape, lookupOf(state)));
    else if (inherited !== undefined) state.args.set(key, inherited);
  }
  state.history.push({ createdBy: text, vertex: undefined });
}

async function applyRun(
  planning: Planning,
  state: StageState,
  run: InstructionOf<"RUN">,
  stage: number,
  step: StepInfo,
): Promise<void> {
  const { request, file } = planning;
  requireExecutable(state.platform);
  const environment = new Set((state.config.Env ?? []).map((entry) => entry.split("=", 1)[0]));
  const args = [...state.args]
    .filter(([key]) => !environment.has(key))
    .map(([key, value]) => `${key}=${value}`);
  const { words, scripts } = wordsOf(run.command, run, state);
  const mounts: RunMount[] = [];
  const put = (text: string) => expand(text, file.escape, lookupOf(state));
  for (const text of run.mounts) {
    const mount = parseMountFlag(text, run.location, put);
    const { target, from } = mount;
    const place = target === "" ? "" : inWorkingDir(state.config, target).replace(/(?<=.)\/$/, "");
    if (place === "/") throw invalid('invalid mount target "/"');
    mounts.push({
      ...mount,
      target: place,
      input:
        from !== ""
          ? await planning.sourceOf(from, stage, "mount")
          : mount.type === "bind"
            ? "context"
            : undefined,
    });
  }
  const network =
    run.network === "" || run.network === "default" ? networkOf(request.networkMode) : networkOf(run.network);
  if (
    run.network === "host" &&
    networkOf(request.networkMode) !== "host" &&
    !request.allow.has("network.host")
  )
    throw forbidden("network.host is not allowed: RUN --network=host needs --allow network.host");
  if (run.security === "insecure" && !request.allow.has("security.insecure"))
    throw forbidden(
      "security.insecure is not allowed: RUN --security=insecure needs --allow security.insecure",
    );
  const vertex: Vertex = {
    kind: "run",
    step,
    base: state.top,
    noCache: planning.noCache(stage, state.name),
    args: words,
    shell: (state.config.Shell ?? DEFAULT_SHELL)[0] ?? "/bin/sh",
    env: [...(state.config.Env ?? []), ...args],
    hiddenEnv: planning.hiddenEnv.filter((entry) => !state.args.has(entry.split("=", 1)[0] ?? "")),
    workingDir: state.config.WorkingDir || "/",
    user: state.config.User ?? "",
    network,
    privileged: run.security === "insecure",
    mounts,
    devices: planning.devicesOf(run.devices),
    scripts,
  };
  state.top = vertex;
  const shown = args.length === 0 ? "" : `|${args.length} ${args.join(" ")} `;
  state.history.push({ createdBy: `RUN ${shown}${words.join(" ")}`, vertex });
}

/** "bridge" for the default; the names of networks stay. */
const networkOf = (mode: string): string => (mode === "" || mode === "default" ? "bridge" : mode);

/** The command's words. A here-document alone is the shell's script, or a program of its own when it begins with "#!". */
function wordsOf(command: CommandForm, run: InstructionOf<"RUN">, state: StageState) {
  const [first] = run.heredocs;
  if (command.form === "exec" || first === undefined)
    return { words: commandOf(command, state.config), scripts: [] };
  const shell = state.config.Shell ?? DEFAULT_SHELL;
  const isAlone = run.heredocs.length === 1 && /^\d*<<-?\S+$/.test(command.command);
  if (!isAlone) {
    const bodies = run.heredocs.map(({ content, name }) => `\n${content}${name}`).join("");
    return { words: [...shell, command.command + bodies], scripts: [] };
  }
  if (!first.content.startsWith("#!")) return { words: [...shell, first.content], scripts: [] };
  const name = first.name.replaceAll("/", "_");
  return { words: [...shell, `/dev/pipes/${name}`], scripts: [{ name, content: first.content }] };
}

async function applyCopy(
  planning: Planning,
  state: StageState,
  copy: InstructionOf<"COPY" | "ADD">,
  stage: number,
  step: StepInfo,
): Promise<void> {
  const lookup = lookupOf(state);
  const put = (text: string) => expand(text, planning.file.escape, lookup);
  const written = put(copy.destination);
  const destination = inWorkingDir(state.config, written === "" ? "." : written);
  const sources = copy.sources.map((source) =>
    source.kind === "path"
      ? { ...source, path: put(source.path) }
      : {
          ...source,
          heredoc: source.heredoc.expand
            ? { ...source.heredoc, content: expandBody(source.heredoc.content, planning.file.escape, lookup) }
            : source.heredoc,
        },
  );
  const isFolder = written.endsWith("/") || written === "." || written.endsWith("/.") || destination === "/";
  if (sources.length > 1 && !isFolder) {
    throw invalid(
      `When using ${copy.name} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  if (copy.name === "COPY" && sources.some((source) => source.kind === "path" && isRemote(source.path)))
    throw invalid("source can't be a URL for COPY");
  const vertex: Vertex = {
    kind: "copy",
    step,
    base: state.top,
    noCache: planning.noCache(stage, state.name),
    from: copy.flags.from === "" ? "" : await planning.sourceOf(copy.flags.from, stage, "copy"),
    sources,
    destination,
    flags: {
      ...copy.flags,
      chown: put(copy.flags.chown),
      chmod: put(copy.flags.chmod),
      checksum: put(copy.flags.checksum),
      exclude: copy.flags.exclude.map(put),
    },
    isAdd: copy.name === "ADD",
  };
  state.top = vertex;
  state.history.push({ createdBy: copy.text, vertex });
}

/** What ADD fetches: http(s) addresses and git repositories. */
export const isRemote = (path: string): boolean => /^(https?:\/\/|git:\/\/|ssh:\/\/|git@[^/]+:)/.test(path);

function applyWorkdir(
  planning: Planning,
  state: StageState,
  { value, text }: InstructionOf<"WORKDIR">,
  stage: number,
  step: StepInfo,
): void {
  const path = inWorkingDir(state.config, expand(value, planning.file.escape, lookupOf(state))).replace(
    /(?<=.)\/$/,
    "",
  );
  state.config = { ...state.config, WorkingDir: path };
  if (path === "/") {
    state.history.push({ createdBy: text, vertex: undefined });
    return;
  }
  const vertex: Vertex = {
    kind: "folder",
    step,
    base: state.top,
    noCache: planning.noCache(stage, state.name),
    path,
    user: state.config.User ?? "",
  };
  state.top = vertex;
  state.history.push({ createdBy: text, vertex });
}
