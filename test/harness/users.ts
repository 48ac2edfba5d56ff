import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

let count = 0;

/** An ordinary user of this machine, with subordinate ids, for as long as a test needs it. */
export interface TestUser extends Disposable {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** First of its 65,536 subordinate ids. */
  readonly subuid: number;
  readonly subgid: number;
}

/** `withoutRanges`: no subordinate ids. */
export function createTestUser({ withoutRanges = false } = {}): TestUser {
  const name = `gt${process.pid.toString(36)}${(count++).toString(36)}`;
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  // Its home may be gone already.
  const remove = () => run("sh", "-c", `userdel --remove ${name} || test $? = 12`);
  // A system user gets no ranges by itself.
  run("useradd", "--create-home", "--shell", "/bin/sh", ...(withoutRanges ? ["--system"] : []), name);
  try {
    const [, , uid = "", gid = "", , home = ""] = run("getent", "passwd", name).split(":");
    const first = (file: string) =>
      Number(new RegExp(`^${name}:(\\d+):`, "m").exec(readFileSync(file, "utf8"))?.[1] ?? 0);
    return {
      name,
      uid: Number(uid),
      gid: Number(gid),
      home,
      subuid: first("/etc/subuid"),
      subgid: first("/etc/subgid"),
      [Symbol.dispose]: remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}
