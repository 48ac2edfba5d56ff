import { readFileSync } from "node:fs";
import { invalid, unsupported } from "../../errors/index.ts";
import {
  type BundleConfig,
  type BundleProcess,
  execInContainer,
  parseJson,
  readProcess,
} from "../../runtime/oci/index.ts";
import { bool, list, string } from "../command/command.ts";
import type { FlagValues } from "../command/flags.ts";
import type { OciCommand } from "./command.ts";
import { runForeground } from "./foreground.ts";
import { HANDOVER_FLAGS, handoverOptions } from "./life-cycle.ts";

export const exec: OciCommand = {
  summary: "Run one more process in a container",
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]  (or -p FILE CONTAINER)",
  flags: [
    list("additional-gids", "Further groups", { short: "g" }),
    string("apparmor", "Not supported: AppArmor profile"),
    list("cap", "Add a capability", { short: "c" }),
    string("cgroup", "Not supported: control group below the container's"),
    string("cwd", "Working directory"),
    bool("detach", "Do not wait for its end", { short: "d" }),
    list("env", "Add an environment variable", { short: "e" }),
    bool("ignore-paused", "Allow it in a paused container"),
    bool("no-new-privs", "Set no_new_privs"),
    string("process", "File with the process (OCI runtime-spec, config.md, process)", { short: "p" }),
    string("process-label", "Not supported: SELinux label"),
    bool("tty", "Allocate a terminal", { short: "t" }),
    string("user", "UID[:GID]", { short: "u" }),
    ...HANDOVER_FLAGS,
  ],
  minArgs: 1,
  async run({ context, flags, args: [id = "", ...command] }) {
    for (const name of ["apparmor", "process-label", "cgroup"])
      if (flags.string(name) !== "") throw unsupported(`--${name} is not supported by this runtime`);
    const stays = !flags.bool("detach");
    const running = await execInContainer(context, {
      id,
      process: (config) => processOf(config, flags, command),
      stays,
      ignorePaused: flags.bool("ignore-paused"),
      ...handoverOptions(flags),
    });
    await using _folder = running;
    return stays ? await runForeground(running.task, async () => {}) : 0;
  },
};

function processOf(config: BundleConfig, flags: FlagValues, command: readonly string[]): BundleProcess {
  const file = flags.string("process");
  if (file !== "") return readProcess(parseJson(readFileSync(file, "utf8"), file));
  if (command.length === 0) throw invalid("exec args cannot be empty");
  const base = config.process;
  if (base === undefined) throw invalid("config.json: process must be given");
  const [uid, gid = uid] = idsOf(flags.optional("user")) ?? [base.user.uid, base.user.gid];
  const added = flags.list("cap").map((name) => name.toUpperCase());
  const more = (names: readonly string[]) => [...new Set([...names, ...added])];
  const { capabilities } = base;
  const additionalGids = flags.list("additional-gids").map(Number);
  return {
    ...base,
    args: [...command],
    cwd: flags.string("cwd") || base.cwd,
    env: [...base.env, ...flags.list("env")],
    terminal: flags.bool("tty"),
    user: { ...base.user, uid, gid, ...(additionalGids.length === 0 ? {} : { additionalGids }) },
    noNewPrivileges: flags.has("no-new-privs") ? flags.bool("no-new-privs") : base.noNewPrivileges,
    capabilities: {
      ...capabilities,
      bounding: more(capabilities.bounding),
      effective: more(capabilities.effective),
      permitted: more(capabilities.permitted),
    },
  };
}

function idsOf(text: string | undefined): [uid: number, gid?: number] | undefined {
  if (text === undefined) return undefined;
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (uid === undefined) throw invalid(`parsing ${text} as UID[:GID]: ids are numbers`);
  return gid === undefined ? [Number(uid), 0] : [Number(uid), Number(gid)];
}
