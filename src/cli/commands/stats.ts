import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type EngineClient } from "../../client/index.ts";
import type { ContainerSummary, EventMessage, StatsReply } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG } from "../command/command.ts";
import { sentenceOf } from "../command/execute.ts";
import { ExitError } from "../command/usage-error.ts";
import { print } from "../output/print.ts";
import { printUsage, type Usage, usageOf } from "../output/usage.ts";
import { segment } from "./each.ts";

const CLEAR_SCREEN = "\x1b[2J\x1b[H";
const REDRAW_MS = 500;

export const stats: Command = {
  name: "stats",
  usage: "[OPTIONS] [CONTAINER...]",
  description: "Display a live stream of container(s) resource usage statistics",
  aliases: ["container stats", "stats"],
  flags: [
    bool("all", "Show all containers, not only those that run", { short: "a" }),
    FORMAT_FLAG,
    bool("no-stream", "Show the first result only"),
    bool("no-trunc", "Do not shorten output"),
  ],
  minArgs: 0,
  async run({ flags, args, client }) {
    const output = { format: flags.string("format"), whole: flags.bool("no-trunc") };
    const all = flags.bool("all");
    if (flags.bool("no-stream")) {
      const names = args.length > 0 ? args : await idsOf(client, all);
      await printUsage(await Promise.all(names.map((name) => once(client, name))), output);
      return 0;
    }
    const board = new Board(client);
    if (args.length > 0) for (const name of args) board.add(name);
    else await followContainers(client, board, all);
    for (;;) {
      await sleep(REDRAW_MS);
      if (args.length > 0 && board.isEmpty) return board.failure === undefined ? 0 : fail(board.failure);
      if (output.format === "" || output.format.startsWith("table")) await print(CLEAR_SCREEN);
      await printUsage(board.rows(), output);
    }
  },
};

function fail(error: unknown): never {
  throw new ExitError(1, sentenceOf(error));
}

async function once(client: EngineClient, name: string): Promise<Usage> {
  return usageOf(
    name,
    await client.json<StatsReply>("GET", `/containers/${segment(name)}/stats`, { stream: 0 }),
  );
}

async function idsOf(client: EngineClient, all: boolean): Promise<string[]> {
  const list = await client.json<ContainerSummary[]>("GET", "/containers/json", { all: all ? 1 : undefined });
  return list.map(({ Id }) => Id);
}

/** Containers that run now, and those that come. Events are asked for first, so that none falls between the two. */
async function followContainers(client: EngineClient, board: Board, all: boolean): Promise<void> {
  const filters = JSON.stringify({ type: ["container"] });
  const since = Math.floor(Date.now() / 1000);
  const events = client.objects<EventMessage>("/events", { filters, since });
  const [come, go] = all ? ["create", "destroy"] : ["start", "die"];
  (async () => {
    for await (const { Action, Actor } of events) {
      if (Action === come) board.add(Actor.ID);
      if (Action === go) board.remove(Actor.ID);
    }
  })().catch((error) => board.lose(error));
  for (const id of await idsOf(client, all)) board.add(id);
}

/** The latest sample of each container that is watched. */
class Board {
  readonly #client: EngineClient;
  readonly #latest = new Map<string, Usage>();
  failure: unknown;

  constructor(client: EngineClient) {
    this.#client = client;
  }

  get isEmpty(): boolean {
    return this.#latest.size === 0;
  }

  rows(): Usage[] {
    return [...this.#latest.values()];
  }

  add(name: string): void {
    if (this.#latest.has(name)) return;
    this.#latest.set(name, { container: name, sample: undefined });
    this.#watch(name).catch((error) => {
      if (!(error instanceof ApiError && error.status === 404) || this.#latest.size === 1) this.lose(error);
      this.#latest.delete(name);
    });
  }

  remove(name: string): void {
    this.#latest.delete(name);
  }

  lose(error: unknown): void {
    this.failure ??= error;
  }

  async #watch(name: string): Promise<void> {
    const samples = this.#client.objects<StatsReply>(`/containers/${segment(name)}/stats`, { stream: 1 });
    for await (const sample of samples) {
      if (!this.#latest.has(name)) return;
      this.#latest.set(name, usageOf(name, sample));
    }
    this.#latest.delete(name);
  }
}
