import { parseReference } from "../../reference/index.ts";
import type { SearchResult } from "../../wire/index.ts";
import { registryAuthHeader } from "../account/accounts.ts";
import { bool, type Command, FORMAT_FLAG, int, list } from "../command/command.ts";
import { type Column, printList } from "../output/list.ts";
import { ellipsis } from "../output/words.ts";
import { filtersOf } from "./filters.ts";

export const search: Command = {
  name: "search",
  usage: "[OPTIONS] TERM",
  description:
    "Search a registry for images: Docker Hub, or the one that TERM begins with (HOST[:PORT]/TERM)",
  flags: [
    list("filter", "Show only what fits (is-official=BOOL, stars=NUMBER)", { short: "f", type: "filter" }),
    FORMAT_FLAG,
    int("limit", "Max number of search results"),
    bool("no-trunc", "Do not shorten output"),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [term = ""], client }) {
    const host = term.includes("/") ? parseReference(`${term.split("/")[0]}/x`).registry : "";
    const query = { term, limit: flags.int("limit"), filters: filtersOf(flags.list("filter")) };
    const headers = await registryAuthHeader(host);
    const found = await client.json<SearchResult[]>("GET", "/images/search", query, undefined, headers);
    const shown = ["Name", "Description", "StarCount", "IsOfficial"];
    await printList(found, {
      columns: columns(flags.bool("no-trunc")),
      shown,
      format: flags.string("format"),
    });
    return 0;
  },
};

function columns(whole: boolean): Column<SearchResult>[] {
  return [
    { name: "Name", header: "NAME", text: ({ name }) => name },
    {
      name: "Description",
      header: "DESCRIPTION",
      text: ({ description }) => {
        const line = description.replaceAll(/[\r\n\t]+/g, " ");
        return whole ? line : ellipsis(line, 45);
      },
    },
    { name: "StarCount", header: "STARS", text: ({ star_count }) => String(star_count) },
    { name: "IsOfficial", header: "OFFICIAL", text: ({ is_official }) => (is_official ? "[OK]" : "") },
  ];
}
