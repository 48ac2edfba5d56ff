import { runDaemon } from "./daemon/command.ts";

const [command, ...args] = process.argv.slice(2);
if (command === "daemon") process.exit(await runDaemon(args));
else {
  process.stderr.write(`gantry: '${command ?? ""}' is not a gantry command.\n`);
  process.exitCode = 125;
}
