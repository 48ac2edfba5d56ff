import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Emulated, on a busy machine: the first processes of systemd(1) take their time. */
const BOOT_LIMIT_MS = 10 * 60_000;

/**
 * A machine of its own kernel: version 2 of control groups alone, systemd(1) as process 1, no network but its own
 * loopback. What is written to its disk is gone with it.
 */
export class VirtualMachine implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "gantry-vm-"));
  readonly #process: ChildProcess;

  private constructor() {
    const image = resolve("dist/vm");
    const drive = `file=${image}/root.ext4,format=raw,if=virtio,snapshot=on`;
    const share = `local,id=dist,path=${resolve("dist")},security_model=none,readonly=on`;
    this.#process = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot"],
        ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3G", "-display", "none"],
        ...["-kernel", `${image}/vmlinuz`, "-initrd", `${image}/initrd.img`],
        ...["-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off systemd.show_status=false"],
        ...["-drive", drive, "-nic", "none", "-device", "virtio-rng-pci"],
        ...["-fsdev", share, "-device", "virtio-9p-pci,fsdev=dist,mount_tag=dist"],
        ...["-serial", `file:${this.consoleFile}`, "-device", "virtio-serial-pci"],
        ...["-chardev", `socket,id=agent,path=${this.socket},server=on,wait=off`],
        ...["-device", "virtconsole,chardev=agent"],
      ],
      { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, TMPDIR: this.#folder } },
    );
  }

  /** Of the agent in the machine: see agent.sh. One connection at a time. */
  get socket(): string {
    return join(this.#folder, "agent.sock");
  }

  /** What its kernel says. */
  get consoleFile(): string {
    return join(this.#folder, "console.log");
  }

  /** Resolves when it answers. Rejects with the end of its console when it does not. */
  static async boot(): Promise<VirtualMachine> {
    const machine = new VirtualMachine();
    try {
      await machine.#untilReady(AbortSignal.timeout(BOOT_LIMIT_MS));
      return machine;
    } catch (cause) {
      const said = readFileSync(machine.consoleFile, "utf8").slice(-4000);
      await machine[Symbol.asyncDispose]();
      throw new Error(`the virtual machine did not start:\n${said}`, { cause });
    }
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    const ended = once(this.#process, "exit", { signal }).then(() => {
      throw new Error("qemu ended");
    });
    await Promise.race([ended, this.#firstWord(signal)]);
  }

  async #firstWord(signal: AbortSignal): Promise<void> {
    const channel = await this.#connect(signal);
    await once(channel, "data", { signal });
    channel.destroy();
  }

  /** qemu makes the socket a moment after it has begun, and tells nobody. */
  async #connect(signal: AbortSignal): Promise<Socket> {
    for (;;) {
      const channel = connect(this.socket);
      try {
        await once(channel, "connect", { signal });
        return channel;
      } catch {
        await sleep(20, undefined, { signal });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
