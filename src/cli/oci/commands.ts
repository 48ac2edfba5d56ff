import { unsupported } from "../../errors/index.ts";
import type { OciCommand } from "./command.ts";
import { exec } from "./exec.ts";
import { create, deleteCommand, kill, pause, resume, run, start } from "./life-cycle.ts";
import { events, features, list, ps, spec, state } from "./reports.ts";
import { update } from "./update.ts";

const refused = (what: string): OciCommand => ({
  summary: "Not supported: this runtime cannot save a process's memory",
  usage: "CONTAINER",
  flags: [],
  minArgs: 0,
  async run() {
    throw unsupported(`${what} is not supported: this runtime cannot save and restore processes`);
  },
});

export const COMMANDS: Readonly<Record<string, OciCommand>> = {
  checkpoint: refused("checkpoint"),
  create,
  delete: deleteCommand,
  events,
  exec,
  features,
  kill,
  list,
  pause,
  ps,
  restore: refused("restore"),
  resume,
  run,
  spec,
  start,
  state,
  update,
};
