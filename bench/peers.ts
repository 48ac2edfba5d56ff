import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDockerd } from "../test/compat/dockerd.ts";
import { GANTRY, runProgram, startDaemon, TestMachine } from "../test/harness/index.ts";
import type { Peer } from "./peer.ts";
import { pidsOf } from "./processes.ts";

/**
 * The compiled file, driven by the docker CLI. In a network namespace of its own, as the others are: rules of whatever else
 * runs on this machine cost it nothing. Packets within a bridge do not pass the packet filter there, as on a machine where
 * nobody has loaded br_netfilter: Gantry's bridges do not need it, docker turns it on for itself.
 */
export async function startGantry(): Promise<Peer & { readonly host: string }> {
  const machine = await TestMachine.start(`
    cd /proc/sys/net/bridge 2>/dev/null && for file in bridge-nf-call-ip*; do echo 0 > $file; done; cd /`);
  const daemon = await startDaemon([], machine);
  return {
    name: "gantry",
    host: daemon.host,
    command: ["docker"],
    own: GANTRY,
    env: { DOCKER_HOST: daemon.host, GANTRY_HOST: daemon.host, DOCKER_BUILDKIT: "0" },
    inside: machine.enter,
    daemonPids: () => {
      const shims = shimsOf(daemon.folder);
      return [daemon.pid, ...pidsOf("gantry-shim", daemon.folder).filter((pid) => !shims.includes(pid))];
    },
    shimPids: () => shimsOf(daemon.folder),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await machine[Symbol.asyncDispose]();
    },
  };
}

/** Those that have a container: not the daemon's other helpers, nor the shim that waits for the next container. */
function shimsOf(folder: string): number[] {
  const waiting = pidsOf("gantry-shim", folder, `/tasks/${"0".repeat(32)}`);
  return pidsOf("gantry-shim", folder, "/tasks/").filter((pid) => !waiting.includes(pid));
}

/** Debian's docker.io, driven by the same docker CLI. */
export async function startDocker(): Promise<Peer> {
  const dockerd = await startDockerd();
  return {
    name: "docker",
    command: ["docker"],
    env: { DOCKER_HOST: dockerd.host, DOCKER_BUILDKIT: "0" },
    inside: ["nsenter", "--net", "--target", String(dockerd.pid)],
    daemonPids: () => [
      ...pidsOf("dockerd", dockerd.folder),
      ...pidsOf("containerd", "--config", dockerd.folder),
    ],
    shimPids: () => pidsOf("containerd-shim", dockerd.folder),
    [Symbol.asyncDispose]: () => dockerd[Symbol.asyncDispose](),
  };
}

/** Debian's podman, in network and mount namespaces of its own: what its bridge and rules change ends with them. */
export async function startPodman(): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-podman-"));
  const script = `
    mount -n -t tmpfs -o mode=755 tmpfs /run
    mount -n -t tmpfs -o mode=755 tmpfs /var/lib/cni
    ip link set lo up
    echo ready
    exec sleep infinity`;
  mkdirSync("/var/lib/cni", { recursive: true });
  const holder = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-ec", script],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(holder.stdout, "data");
  const enter = ["nsenter", "--net", "--mount", "--target", String(holder.pid)];
  const configuration = join(folder, "containers.conf");
  // Its defaults ask for more open files than a machine without CAP_SYS_RESOURCE grants.
  writeFileSync(configuration, '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]\n');
  const command = [
    ...enter,
    "podman",
    ...["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--tmpdir", join(folder, "tmp")],
    ...["--cgroup-manager", "cgroupfs", "--events-backend", "file", "--storage-driver", "overlay"],
    // The other one that it takes, crun, refuses machines where both versions of control groups have controllers.
    ...["--runtime", "runc"],
  ];
  return {
    name: "podman",
    command,
    env: { CONTAINERS_CONF: configuration },
    inside: enter,
    daemonPids: () => [],
    shimPids: () => pidsOf("conmon", folder),
    async [Symbol.asyncDispose]() {
      const [program = "", ...first] = command;
      await runProgram(program, [...first, "rm", "-af", "-t", "0"], { limitMs: 60_000 });
      const ended = once(holder, "exit");
      holder.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
