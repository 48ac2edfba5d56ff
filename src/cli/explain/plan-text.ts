import type { ExplainedOperation } from "../../wire/index.ts";

const PHASES: Readonly<Record<ExplainedOperation["Phase"], string>> = {
  host: "in the shim, before there is a new process",
  clone: "clone3(2): the new process with its namespaces, and what it joins",
  link: "in the shim, while the new process waits",
  container: "in the new process, up to the program",
};

const NAME_WIDTH = 20;
const NUMBER_WIDTH = 5;

/** The operations by phase, in the order in which they are executed; why is said once for all that are alike. */
export function planLines(plan: readonly ExplainedOperation[]): string[] {
  const said = new Set<string>();
  return Object.entries(PHASES).flatMap(([phase, about]) => {
    const operations = plan.filter(({ Phase }) => Phase === phase);
    if (operations.length === 0) return [];
    return [`  ${phase}: ${about}`, ...operations.flatMap((operation) => operationLines(operation, said))];
  });
}

function operationLines(
  { Index, Operation, Call, Why, Messages }: ExplainedOperation,
  said: Set<string>,
): string[] {
  const indent = " ".repeat(NUMBER_WIDTH + 2 + NAME_WIDTH);
  const isNew = !said.has(`${Operation} ${Why}`);
  said.add(`${Operation} ${Why}`);
  return [
    `${String(Index).padStart(NUMBER_WIDTH)}  ${Operation.padEnd(NAME_WIDTH)}${Call}`,
    ...(Messages ?? []).map((message) => `${indent}  ${message}`),
    ...(isNew ? [`${indent}  # ${Why}`] : []),
  ];
}
