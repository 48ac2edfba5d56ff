import { formatTimestampFixed } from "../../units/index.ts";
import type { EventMessage } from "../../wire/index.ts";
import { type Command, list, string } from "../command/command.ts";
import { printLine } from "../output/print.ts";
import { compileTemplate } from "../template/index.ts";
import { filtersOf } from "./filters.ts";
import { momentOf } from "./moment.ts";

export const events: Command = {
  name: "events",
  usage: "[OPTIONS]",
  description: "Get real time events from the server",
  aliases: ["system events", "events"],
  flags: [
    list("filter", "Show only what fits (key=value)", { short: "f", type: "filter" }),
    string("format", "Format output with a Go template, or 'json'"),
    string("since", "Show events since a time (2013-01-02T13:23:37Z) or so long ago (42m)"),
    string("until", "Stream events until a time (2013-01-02T13:23:37Z) or so long ago (42m)"),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const format = flags.string("format");
    const template = format === "" ? undefined : compileTemplate(format === "json" ? "{{json .}}" : format);
    const stream = client.objects<EventMessage>("/events", {
      since: momentOf(flags.optional("since")),
      until: momentOf(flags.optional("until")),
      filters: filtersOf(flags.list("filter")),
    });
    for await (const event of stream) {
      if (template === undefined) await printLine(line(event));
      else await printLine(template.render(format === "json" ? event : { ...event, ID: event.Actor.ID }));
    }
    return 0;
  },
};

function line({ Type, Action, Actor, timeNano }: EventMessage): string {
  const attributes = Object.entries(Actor.Attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const details = attributes.length === 0 ? "" : ` (${attributes.join(", ")})`;
  return `${formatTimestampFixed(BigInt(timeNano))} ${Type} ${Action} ${Actor.ID}${details}`;
}
