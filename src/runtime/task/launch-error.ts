import { constants } from "node:os";
import { EngineError, type ErrorKind } from "../../errors/index.ts";
import type { PlanFailure } from "../task.ts";

/** A task that did not come to run. `exitCode` is what Docker's clients exit with. */
export class LaunchError extends EngineError {
  readonly exitCode: number;
  readonly failure: PlanFailure | undefined;
  /** What Docker says of the same failure of an exec. */
  readonly execMessage: string;

  constructor(kind: ErrorKind, sentence: string, exitCode: number, failure?: PlanFailure) {
    // A user that the image lacks is found out by Docker before its runtime is called.
    const isRuntimes = failure !== undefined && failure.op !== "user";
    super(
      kind,
      isRuntimes ? `${CREATE_FAILED}${sentence}` : sentence,
      failure === undefined ? {} : { fields: { operation: failure.op, errno: failure.errno } },
    );
    this.execMessage = isRuntimes ? `${EXEC_FAILED}${sentence}` : sentence;
    this.exitCode = exitCode;
    this.failure = failure;
  }
}

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const FAILED = 128;

/** Docker's words up to the cause; its clients look for what comes after. */
const CREATE_FAILED =
  "failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: ";
const EXEC_FAILED = "OCI runtime exec failed: exec failed: unable to start container process: ";

/** The sentence and exit code for an operation that the kernel refused. */
export function launchErrorOf(failure: PlanFailure): LaunchError {
  const { op, errno, detail } = failure;
  if (op === "exec") return programError(failure);
  if (op === "user" && errno === "ENOENT") {
    const [kind = "user", ...words] = detail.split(" ");
    const file = kind === "group" ? "group" : "passwd";
    return new LaunchError(
      "invalid",
      `unable to find ${kind} ${words.join(" ")}: no matching entries in ${file} file`,
      NOT_EXECUTABLE,
      failure,
    );
  }
  const why = `${detail}: ${describeErrno(errno)}`;
  if (op === "working-directory") {
    const folder = JSON.stringify(detail.replace(/^\S+ to cwd /, ""));
    return new LaunchError(
      "invalid",
      `chdir to cwd (${folder}) set in config.json failed: ${describeErrno(errno)}`,
      errno === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE,
      failure,
    );
  }
  const isBadMount = op === "bind" && (errno === "ENOTDIR" || errno === "ENOENT");
  const hint =
    isBadMount && errno === "ENOTDIR"
      ? ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type"
      : "";
  return new LaunchError(
    isBadMount ? "invalid" : "internal",
    `${op}: ${why}${hint}`,
    isBadMount ? NOT_FOUND : FAILED,
    failure,
  );
}

/** What Go's exec.LookPath says, which is where Docker's clients know these sentences from. */
function programError(failure: PlanFailure): LaunchError {
  const { errno, detail } = failure;
  const name = detail.replace(/^exec (in \$PATH )?/, "");
  const why = detail.startsWith("exec in $PATH ")
    ? "executable file not found in $PATH"
    : `${errno === "ENOENT" ? `stat ${name}: ` : ""}${describeErrno(errno)}`;
  const exitCode = errno === "ENOENT" || errno === "ENOTDIR" ? NOT_FOUND : NOT_EXECUTABLE;
  return new LaunchError("invalid", `exec: ${JSON.stringify(name)}: ${why}`, exitCode, failure);
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOEXEC: "exec format error",
  EINVAL: "invalid argument",
  EDQUOT: "disk quota exceeded",
  ENOSPC: "no space left on device",
  EBUSY: "device or resource busy",
  ENODEV: "no such device",
  EMFILE: "too many open files",
  ENOMEM: "cannot allocate memory",
  E2BIG: "argument list too long",
  ELOOP: "too many levels of symbolic links",
  EROFS: "read-only file system",
  ENXIO: "no such device or address",
  ENOSYS: "function not implemented",
  EOPNOTSUPP: "operation not supported",
  ERANGE: "numerical result out of range",
};

const describeErrno = (errno: string): string => WORDS[errno] ?? errno;

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** "ENOENT" of 2. */
export const errnoName = (number: number): string => ERRNO_NAMES.get(number) ?? `errno ${number}`;
