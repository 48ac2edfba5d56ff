import type { Dockerfile, Instruction } from "../instructions.ts";
import type { Report } from "./report.ts";

/** InvalidDefinitionDescription: a comment right above a stage or an argument is its description, and begins with its name. */
export function checkDescriptions({ globalArgs, stages, comments }: Dockerfile, report: Report): void {
  const check = (instruction: Instruction, names: readonly string[]) => {
    const last = comments.get(instruction.location.line)?.split("\n").at(-1);
    const [only = "", ...more] = names;
    if (last === undefined || only === "" || names.includes(last.split(" ", 1)[0] ?? "")) return;
    report(
      "InvalidDefinitionDescription",
      `Comment for ${instruction.name} should follow the format: \`# ${more.length > 0 ? "<arg_key>" : only} <description>\``,
      instruction.location,
    );
  };
  for (const argument of globalArgs)
    check(
      argument,
      argument.args.map(({ key }) => key),
    );
  for (const { from, instructions } of stages) {
    check(from, [from.stage]);
    for (const item of instructions)
      if (item.name === "ARG")
        check(
          item,
          item.args.map(({ key }) => key),
        );
  }
}
