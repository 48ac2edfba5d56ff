import { ApiError, ConnectError, type EngineClient } from "../../client/index.ts";
import { EngineError } from "../../errors/index.ts";
import { print, printError } from "../output/print.ts";
import { bool, type Command } from "./command.ts";
import { parseFlags } from "./flags.ts";
import { commandHelp } from "./help.ts";
import { ExitError, UsageError } from "./usage-error.ts";

const HELP = bool("help", "Print usage");

/** Parse the words behind a command's name, run it, and turn what goes wrong into Docker's words and exit codes. */
export async function execute(
  command: Command,
  words: readonly string[],
  client: EngineClient,
): Promise<number> {
  const failureCode = command.failureCode ?? 1;
  try {
    const flags = command.flags.some(({ name }) => name === "help")
      ? command.flags
      : [...command.flags, HELP];
    const { values, rest } = parseFlags(words, flags, command.interspersed ?? true);
    if (values.bool("help")) {
      await print(commandHelp(command));
      return 0;
    }
    checkCount(command, rest.length);
    return await command.run({ flags: values, args: rest, client });
  } catch (error) {
    if (error instanceof ExitError) {
      if (error.message !== "") printError(error.message);
      return error.exitCode;
    }
    if (error instanceof UsageError) {
      // Docker's CLI has two ways to say where its help is; this is where it uses the other.
      const verb = error instanceof CountError && command.minArgs !== command.maxArgs ? "See" : "Run";
      printError(
        `${error.message}\n\nUsage:  gantry ${command.name} ${command.usage}\n\n${verb} 'gantry ${command.name} --help' for more information`,
      );
      return error instanceof CountError ? 1 : 125;
    }
    const prefix = failureCode === 125 ? "gantry: " : "";
    printError(`${prefix}${sentenceOf(error)}`);
    if (failureCode === 125) printError(`\nRun 'gantry ${command.name} --help' for more information`);
    return failureCode;
  }
}

/** The one place where a failure becomes the client's sentence. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return `Error response from daemon: ${error.message}`;
  if (error instanceof ConnectError || error instanceof EngineError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

class CountError extends UsageError {}

function checkCount({ name, minArgs, maxArgs }: Command, count: number): void {
  if (count >= minArgs && (maxArgs === undefined || count <= maxArgs)) return;
  const plural = (n: number) => (n === 1 ? "argument" : "arguments");
  const what =
    maxArgs === 0
      ? "accepts no arguments"
      : maxArgs === minArgs
        ? `requires ${minArgs} ${plural(minArgs)}`
        : count < minArgs
          ? `requires at least ${minArgs} ${plural(minArgs)}`
          : `requires at most ${maxArgs} ${plural(maxArgs ?? 0)}`;
  throw new CountError(`gantry: 'gantry ${name}' ${what}`);
}
