import type { Readable } from "node:stream";
import { messageOf } from "../../errors/index.ts";
import { randomHex, wallClockNs } from "../../platform/index.ts";
import { formatTimestamp } from "../../units/index.ts";
import type { ExecConfig, HealthResult } from "../../wire/index.ts";
import type { ContainerContext } from "../dependencies.ts";
import { linkEnvironment } from "../links.ts";
import type { ContainerRecord } from "../record.ts";
import type { HealthCheck } from "./config.ts";

/** Of the output of a check, as Docker keeps it. */
const MAX_OUTPUT_BYTES = 4096;
/** Exit code of a check that took too long or could not be run. */
const NOT_RUN = -1;
const SIGKILL = 9;
const FRAME_HEAD_BYTES = 8;

/** Run a container's check once. Never rejects: what goes wrong is the result. */
export async function probe(
  context: ContainerContext,
  record: ContainerRecord,
  pid: number,
  check: HealthCheck,
): Promise<HealthResult> {
  const Start = formatTimestamp(wallClockNs());
  const ended = await run(context, record, pid, check).catch((error) => ({
    ExitCode: NOT_RUN,
    Output: messageOf(error),
  }));
  return { Start, End: formatTimestamp(wallClockNs()), ...ended };
}

async function run(
  context: ContainerContext,
  record: ContainerRecord,
  pid: number,
  { command, timeoutMs }: HealthCheck,
): Promise<Pick<HealthResult, "ExitCode" | "Output">> {
  const id = randomHex(32);
  const { plan, how } = await context.planner.planExec(
    record,
    pid,
    id,
    execOf(command),
    linkEnvironment(context, record, { required: false }),
  );
  const task = await context.launcher.launch(id, plan, how);
  try {
    await using streams = await task.attach({ stdin: false, stdout: true, stderr: true });
    await task.start();
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      task.signal(SIGKILL).catch(() => undefined);
    }, timeoutMs);
    const [status, output] = await Promise.all([task.ended, firstBytes(streams.output)]).finally(() =>
      clearTimeout(limit),
    );
    if (isLate)
      return {
        ExitCode: NOT_RUN,
        Output: `Health check exceeded timeout (${timeoutMs / 1000}s)${output === "" ? "" : `: ${output}`}`,
      };
    return { ExitCode: status.exitCode, Output: output };
  } finally {
    await task.remove();
  }
}

const execOf = (command: readonly string[]): ExecConfig => ({
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  DetachKeys: "",
  Tty: false,
  Env: [],
  Cmd: [...command],
  Privileged: false,
  User: "",
  WorkingDir: "",
  ConsoleSize: null,
});

/** Both outputs in the order in which they came, to the limit; the rest is read and dropped. */
async function firstBytes(output: Readable): Promise<string> {
  let rest = Buffer.alloc(0);
  let text = Buffer.alloc(0);
  for await (const chunk of output) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= FRAME_HEAD_BYTES && rest.length >= FRAME_HEAD_BYTES + rest.readUInt32BE(4)) {
      const end = FRAME_HEAD_BYTES + rest.readUInt32BE(4);
      if (text.length < MAX_OUTPUT_BYTES) text = Buffer.concat([text, rest.subarray(FRAME_HEAD_BYTES, end)]);
      rest = rest.subarray(end);
    }
  }
  return text.subarray(0, MAX_OUTPUT_BYTES).toString("utf8");
}
