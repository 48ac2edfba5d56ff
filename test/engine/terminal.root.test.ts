import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { GANTRY } from "../harness/daemon.ts";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await daemon.docker("pull", "-q", "busybox");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** A terminal of tmux's, with a server of its own, in which one client runs. */
class Terminal implements AsyncDisposable {
  readonly #socket = `gantry-test-${randomBytes(4).toString("hex")}`;

  async #tmux(...words: string[]): Promise<string> {
    const { stdout, stderr, exitCode } = await runProgram(
      "tmux",
      ["-L", this.#socket, "-f", "/dev/null", ...words],
      {
        env: { DOCKER_HOST: daemon.host, GANTRY_HOST: daemon.host },
      },
    );
    if (exitCode !== 0) throw new Error(`tmux ${words[0]}: ${stderr}`);
    return stdout;
  }

  async run(command: string): Promise<void> {
    // The shell tells the exit code, and that the terminal is as it was: with echo, line by line.
    const script = `${command}; echo "exit code $?"; stty -a | grep -o -e ' -\\?echo ' -e ' -\\?icanon'; sleep 1d`;
    await this.#tmux("new-session", "-d", "-x", "80", "-y", "24", script);
  }

  type(...keys: string[]): Promise<string> {
    return this.#tmux("send-keys", ...keys);
  }

  resize(columns: number, rows: number): Promise<string> {
    return this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What stands on the screen, once the text is among it. tmux tells nobody of a change, so this looks again and again. */
  async until(text: string): Promise<string> {
    const limit = Date.now() + 20_000;
    for (;;) {
      const screen = await this.#tmux("capture-pane", "-p");
      if (screen.includes(text)) return screen;
      if (Date.now() > limit) throw new Error(`the screen does not come to show ${text}: ${screen}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
  }
}

describe.each([
  ["docker", ["docker"]],
  ["gantry", GANTRY],
] as const)("a terminal with %s", (name, words) => {
  const client = words.join(" ");

  test("run -it: keys reach the program as they are typed, sizes follow, the exit code and the terminal come back", async () => {
    await using terminal = new Terminal();
    await terminal.run(`${client} run -it --rm --name tty-${name} busybox sh`);
    await terminal.until("/ #");
    await terminal.type("stty size", "Enter");
    await terminal.until("24 80");
    await terminal.resize(100, 30);
    await terminal.type(
      `until [ "$(stty size)" = "30 100" ]; do usleep 10000; done; echo fol""lowed`,
      "Enter",
    );
    await terminal.until("followed");
    // In raw mode the interrupt goes to the program in the container, not to the client.
    await terminal.type("echo sle''eps; sleep 1000", "Enter");
    await terminal.until("sleeps");
    await terminal.type("C-c");
    await terminal.type("echo status $?", "Enter");
    await terminal.until("status 130");
    await terminal.type("exit 7", "Enter");
    const screen = await terminal.until("exit code 7");
    expect(screen).not.toContain("-echo");
    expect(screen).not.toContain("-icanon");
  }, 60_000);

  test("the detach keys leave the container running; attach comes back to it", async () => {
    const container = `left-${name}`;
    {
      await using terminal = new Terminal();
      await terminal.run(`${client} run -it --name ${container} --detach-keys ctrl-x,q busybox sh`);
      await terminal.until("/ #");
      await terminal.type("marked=yes", "Enter");
      await terminal.type("C-x", "q");
      await terminal.until("exit code 0");
    }
    expect((await daemon.docker("inspect", "-f", "{{.State.Running}}", container)).stdout).toBe("true\n");
    {
      await using terminal = new Terminal();
      await terminal.run(`${client} attach ${container}`);
      // The shell draws its prompt again without being asked.
      await terminal.until("/ #");
      await terminal.type("echo marked: $marked", "Enter");
      await terminal.until("marked: yes");
      await terminal.type("exit 3", "Enter");
      await terminal.until("exit code 3");
    }
    await daemon.docker("rm", container);
  }, 60_000);
});
