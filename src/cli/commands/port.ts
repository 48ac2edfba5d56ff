import type { ContainerInspect } from "../../wire/index.ts";
import type { Command } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { print } from "../output/print.ts";
import { segment } from "./each.ts";

export const port: Command = {
  name: "port",
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  description: "List port mappings or a specific mapping for the container",
  aliases: ["container port", "port"],
  flags: [],
  minArgs: 1,
  maxArgs: 2,
  async run({ args: [name = "", wanted], client }) {
    const { NetworkSettings } = await client.json<ContainerInspect>(
      "GET",
      `/containers/${segment(name)}/json`,
    );
    const published = Object.entries(NetworkSettings.Ports ?? {}).flatMap(([inside, bindings]) =>
      (bindings ?? []).map(({ HostIp, HostPort }) => ({ inside, outside: address(HostIp, HostPort) })),
    );
    if (wanted === undefined) {
      const lines = published.map(({ inside, outside }) => `${inside} -> ${outside}`);
      await print(
        lines
          .sort(byNumber)
          .map((line) => `${line}\n`)
          .join(""),
      );
      return 0;
    }
    const [number = "", protocol = "tcp"] = wanted.split("/");
    if (!/^\d+$/.test(number) || Number(number) > 65_535)
      throw new ExitError(1, `invalid port '${number}': invalid syntax`);
    const found = published.filter(({ inside }) => inside === `${Number(number)}/${protocol}`);
    if (found.length === 0) throw new ExitError(1, `Error: No public port '${wanted}' published for ${name}`);
    await print(found.map(({ outside }) => `${outside}\n`).join(""));
    return 0;
  },
};

const address = (ip: string, number: string) => (ip.includes(":") ? `[${ip}]:${number}` : `${ip}:${number}`);

/** By the port inside; "80/tcp" is before "443/tcp". */
const byNumber = (a: string, b: string): number =>
  Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : Number(a > b));
