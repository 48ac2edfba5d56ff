import { describeMessages } from "../../netlink/index.ts";
import { type DecodedPlan, meaningOf, OPERATIONS } from "../../runtime/index.ts";
import type { Spec } from "../../runtime/spec/index.ts";
import type { ExplainedMount, ExplainedOperation } from "../../wire/index.ts";

/** The operations of a plan, each with the system calls that it becomes. */
export function explainPlan({ operations }: DecodedPlan): ExplainedOperation[] {
  return operations.map((operation, index) => {
    const { call, why } = meaningOf(operation);
    return {
      Index: index,
      Phase: OPERATIONS[operation.op].phase,
      Operation: operation.op,
      Fields: Object.fromEntries(
        Object.entries(operation.fields).map(([name, value]) => [name, plainValue(value)]),
      ),
      Call: call,
      Why: why,
      ...(operation.op === "netlink"
        ? { Messages: describeMessages(Number(operation.fields.protocol), operation.fields.messages) }
        : {}),
    };
  });
}

function plainValue(value: bigint | string | Buffer | readonly string[]): number | string | string[] {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "string") return value;
  return "buffer" in value ? value.toString("base64") : [...value];
}

/** The mounts that a container would get, its root first. */
export const plannedMounts = ({ mounts }: Spec): ExplainedMount[] => [
  { Target: "/", Type: "overlay", Source: "overlay", Options: "" },
  ...mounts.map(({ destination, type, source, options }) => ({
    Target: destination,
    Type: type,
    Source: source,
    Options: options.join(","),
  })),
];
