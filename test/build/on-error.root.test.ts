import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { watch } from "node:fs/promises";
import { join } from "node:path";
import { GANTRY, startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const DOCKERFILE = `
FROM busybox
ENV WHO=someone
RUN echo before >/state
WORKDIR /work
USER 7
RUN --mount=type=bind,target=/seen --mount=type=cache,target=/kept,mode=0777 --mount=type=secret,id=word \\
    echo changed >/tmp/changed && echo words && exit 9
`;

/** What of builds is on the disk and in the process table. */
function leftovers(): string[] {
  const { folder } = daemon;
  const names = (place: string) => readdirSync(join(folder, place)).map((name) => `${place}/${name}`);
  return [...names("data/build"), ...names("exec/build")].filter((name) => !/\/(mounts|files)$/.test(name));
}

describe("--on-error shell", () => {
  test("opens a shell in the state before the step, and ends with the step's error", async () => {
    using context = contextOf({ Dockerfile: DOCKERFILE, file: "content", word: "hidden" });
    const input =
      "stty size; cat /state /seen/file; ls /tmp /kept; id -u; pwd; echo $WHO; find /run/secrets/word -perm 400 | wc -l; touch /tmp/x; exit 3\n";
    const { stdout, exitCode } = await daemon.inTerminal(
      { rows: 21, columns: 77, input, client: GANTRY },
      "build",
      "--on-error",
      "shell",
      "--secret",
      `id=word,src=${join(context.path, "word")}`,
      context.path,
    );
    const said = stdout.replaceAll("\r", "");
    expect(said).toContain("21 77\nbefore\ncontent");
    expect(said).not.toContain("changed\n");
    expect(said).toContain("\n7\n/work\nsomeone\n1\n");
    expect(said).toContain("returned a non-zero code: 9");
    expect(exitCode).toBe(9);
    expect(leftovers()).toEqual([]);
    expect((await daemon.docker("ps", "-aq")).stdout).toBe("");
  });

  test("a client that goes away ends the shell and the build", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nRUN false" });
    const command = [...GANTRY, "build", "--on-error=shell", context.path].join(" ");
    const client = spawn("script", ["-qefc", command, "/dev/null"], {
      env: { ...process.env, GANTRY_HOST: daemon.host, SHELL: "/bin/sh", TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    let said = "";
    for await (const chunk of client.stdout) {
      said += String(chunk);
      if (said.includes("/ # ")) break;
    }
    const place = join(daemon.folder, "exec/build");
    const watcher = watch(place);
    client.kill("SIGKILL");
    for await (const _ of watcher) if (readdirSync(place).length === 0) break;
    // A second build that ends says that nothing of the first one is held.
    await daemon.gantry("build", context.path);
    expect(leftovers()).toEqual([]);
  });

  test("an image without a shell says so", async () => {
    using context = contextOf({ Dockerfile: 'FROM scratch\nCOPY f /\nRUN ["/f"]', f: "" });
    const { stdout, exitCode } = await daemon.inTerminal(
      { rows: 20, columns: 70, client: GANTRY },
      "build",
      "--on-error=shell",
      context.path,
    );
    expect(stdout).toContain("/bin/sh");
    expect(exitCode).not.toBe(0);
  });

  test("without a terminal it is refused in one sentence", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox\nRUN false" });
    const { stderr, exitCode } = await daemon.gantry("build", "--on-error", "shell", context.path);
    expect(stderr).toContain("--on-error shell needs a terminal: stdin or stdout of this command is none");
    expect(exitCode).toBe(1);
    const { stderr: other } = await daemon.gantry("build", "--on-error", "go", context.path);
    expect(other).toContain("invalid --on-error go: use shell");
  });
});
