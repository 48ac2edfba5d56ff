import { type Command, list } from "../command/command.ts";
import { UsageError } from "../command/usage-error.ts";
import { printError } from "../output/print.ts";
import { restartPolicy } from "../run/create-body.ts";
import { CREATE_FLAGS } from "../run/flags.ts";
import { parsePublish } from "../run/ports.ts";
import { resourcesOf } from "../run/resources.ts";
import { forEach, segment } from "./each.ts";

const CHANGEABLE = new Set([
  "blkio-weight",
  "cpu-period",
  "cpu-quota",
  "cpu-rt-period",
  "cpu-rt-runtime",
  "cpu-shares",
  "cpus",
  "cpuset-cpus",
  "cpuset-mems",
  "kernel-memory",
  "memory",
  "memory-reservation",
  "memory-swap",
  "pids-limit",
  "restart",
]);

export const update: Command = {
  name: "update",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  description: "Update configuration of one or more containers",
  aliases: ["container update", "update"],
  flags: [
    ...CREATE_FLAGS.filter(({ name }) => CHANGEABLE.has(name)),
    list("publish-add", "Publish a port to the host, at once when the container runs"),
    list("publish-rm", "Withdraw a published port: CONTAINER_PORT or HOST_PORT:CONTAINER_PORT"),
  ],
  minArgs: 1,
  async run({ flags, args, client }) {
    if (![...CHANGEABLE, "publish-add", "publish-rm"].some((name) => flags.has(name)))
      throw new UsageError("you must provide one or more flags when using this command");
    const { MemorySwappiness, ShmSize, OomKillDisable, Ulimits, CgroupParent, ...limits } =
      resourcesOf(flags);
    const body = {
      ...limits,
      PublishAdd: parsePublish(flags.list("publish-add")),
      PublishRemove: parsePublish(flags.list("publish-rm")),
      BlkioWeight: flags.int("blkio-weight") ?? 0,
      ...(flags.has("pids-limit") ? {} : { PidsLimit: null }),
      ...(flags.has("restart") ? { RestartPolicy: restartPolicy(flags.string("restart")) } : {}),
    };
    const warnings: string[] = [];
    const exitCode = await forEach(args, async (name) => {
      const reply = await client.json<{ Warnings: string[] | null }>(
        "POST",
        `/containers/${segment(name)}/update`,
        {},
        body,
      );
      warnings.push(...(reply.Warnings ?? []));
    });
    for (const warning of warnings) printError(warning);
    return exitCode;
  },
};
