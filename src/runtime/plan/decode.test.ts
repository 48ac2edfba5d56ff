import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodePlan } from "./decode.ts";
import { encodePlan } from "./encode.ts";
import { OPERATIONS } from "./format.ts";
import type { LaunchPlan } from "./operations.ts";
import { meaningOf } from "./system-calls.ts";

const seeds = join(import.meta.dirname, "../../../native/fuzz/seeds/plan");

const PLAN: LaunchPlan = {
  start: "on-request",
  leave: true,
  operations: [
    { op: "cgroup-create", path: "/sys/fs/cgroup/x", version: 2 },
    { op: "namespace-new", kind: "pid" },
    { op: "rlimit", resource: 7, soft: 10n, hard: 2n ** 64n - 1n },
    { op: "oom-score-adj", value: -5 },
    { op: "rootfs-overlay", lower: ["/b", "/a"], upper: "/u", work: "/w", options: [] },
    { op: "seccomp", program: Buffer.alloc(16), flags: 0 },
    { op: "exec", args: ["sh", "-c", "ü"] },
  ],
};

test("what was written is read back, by the names of the table of operations", () => {
  const plan = decodePlan(encodePlan(PLAN));
  expect([plan.start, plan.leave]).toEqual(["on-request", true]);
  expect(plan.operations.map(({ op, fields }) => ({ op, ...fields }))).toEqual([
    { op: "cgroup-create", path: "/sys/fs/cgroup/x", version: 2n },
    { op: "namespace-new", kind: 0x20000000n },
    { op: "rlimit", resource: 7n, soft: 10n, hard: 2n ** 64n - 1n },
    { op: "oom-score-adj", value: 2n ** 64n - 5n },
    {
      op: "rootfs-overlay",
      lower: ["/b", "/a"],
      upper: "/u",
      work: "/w",
      options: [],
      owners: "",
      folders: [],
    },
    { op: "seccomp", program: Buffer.alloc(16), flags: 0n },
    { op: "exec", args: ["sh", "-c", "ü"] },
  ]);
});

test("a plan that is damaged, cut short or no plan is refused", () => {
  const bytes = encodePlan(PLAN);
  const damaged = Buffer.from(bytes);
  damaged[50] = (damaged[50] ?? 0) ^ 1;
  expect(() => decodePlan(damaged)).toThrow("the launch plan is damaged");
  expect(() => decodePlan(bytes.subarray(0, -1))).toThrow("the launch plan is damaged");
  expect(() => decodePlan(Buffer.from("no plan"))).toThrow("this is no launch plan");
});

test("every operation has system calls and a reason", () => {
  const plans = readdirSync(seeds).map((file) => decodePlan(readFileSync(join(seeds, file))));
  const operations = plans.flatMap((plan) => plan.operations);
  const told = new Set<string>(operations.map(({ op }) => op));
  expect(Object.keys(OPERATIONS).filter((name) => !told.has(name))).toEqual([]);
  for (const operation of operations) {
    const { call, why } = meaningOf(operation);
    expect([operation.op, call.length > 3, why.length > 3]).toEqual([operation.op, true, true]);
    expect(call).not.toMatch(/undefined|NaN|\[object/);
  }
});

test("arguments are told in the kernel's words", () => {
  const calls = decodePlan(encodePlan(PLAN)).operations.map((operation) => meaningOf(operation).call);
  expect(calls).toEqual([
    'mkdir("/sys/fs/cgroup/x", 0755)',
    "clone3({flags: CLONE_NEWPID})",
    "setrlimit(RLIMIT_NOFILE, {10, RLIM_INFINITY})",
    'write(open("/proc/self/oom_score_adj"), "-5")',
    'fsopen("overlay"), fsconfig("lowerdir+") × 2, fsconfig("upperdir"), fsconfig("workdir"), fsmount(), move_mount()',
    "seccomp(SECCOMP_SET_MODE_FILTER, 2 instructions)",
    'execve("sh", {"sh", "-c", "ü"}, envp)',
  ]);
});
