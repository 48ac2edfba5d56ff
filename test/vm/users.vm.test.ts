import { expect, test } from "bun:test";
import { removeDaemon, startDaemon, withDaemon } from "./daemon.ts";
import { inGuest } from "./guest.ts";

const mib = (count: number) => String(count * 1024 * 1024);

/** As alice, whose systemd runs; from outside of its control group, as a login session is. */
function asAlice(script: string): Promise<string> {
  const variables = {
    HOME: "/home/alice",
    XDG_RUNTIME_DIR: "/run/user/1000",
    DOCKER_HOST: "unix:///run/user/1000/gantry.sock",
  };
  const environment = Object.entries(variables).map(([name, value]) => `--setenv ${name}=${value}`);
  return inGuest(`cat >/run/alice.sh <<'END'
set -euo pipefail
${script}
END
    systemd-run --quiet --wait --pipe --collect --uid 1000 ${environment.join(" ")} bash /run/alice.sh`);
}

test("the engine of an ordinary user sets limits through his own systemd, and takes its containers over", async () => {
  await inGuest("cmp -s /dist/gantry /usr/local/bin/gantry || install /dist/gantry /usr/local/bin/gantry");
  const limits = "-m 64m --memory-swap 100m --cpus 0.5 --pids-limit 20";
  await asAlice(`gantry run -d --name limited ${limits} busybox sleep 1000`);
  expect(await asAlice("docker info -f '{{.CgroupDriver}} {{.CgroupVersion}}'")).toBe("systemd 2");
  const id = await asAlice("docker inspect -f '{{.Id}}' limited");
  const group = `/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/gantry-${id}.scope`;
  const values = await inGuest(`cd ${group}; cat memory.max memory.swap.max cpu.max pids.max`);
  expect(values.split("\n")).toEqual([mib(64), mib(36), "50000 100000", "20"]);
  const inside = "docker exec limited cat /proc/self/cgroup /sys/fs/cgroup/memory.max";
  expect(await asAlice(inside)).toBe(`0::/\n${mib(64)}`);
  const paused =
    "docker pause limited >/dev/null; docker ps --format '{{.Status}}'; docker unpause limited >/dev/null";
  expect(await asAlice(paused)).toContain("(Paused)");
  await asAlice("docker update -m 128m --memory-swap 256m limited; systemctl --user daemon-reload");
  expect(await inGuest(`cat ${group}/memory.max`)).toBe(mib(128));
  const oom =
    "docker run --name greedy -m 16m --memory-swap 16m busybox sh -c 'x=a; while :; do x=$x$x; done' || true";
  expect(await asAlice(`${oom}; docker inspect -f '{{.State.OOMKilled}}' greedy`)).toBe("true");
  await inGuest(`daemon=$(pgrep -u alice -x gantry)
    kill -KILL $daemon
    for pid in $daemon; do tail --pid=$pid -f /dev/null; done`);
  expect(await asAlice("gantry exec limited echo still here")).toBe("still here");
  await asAlice("docker rm -f limited greedy");
  await inGuest(`test ! -e ${group}
    daemon=$(pgrep -u alice -x gantry)
    kill -TERM $daemon
    for pid in $daemon; do tail --pid=$pid -f /dev/null; done`);
  await asAlice("gantry daemon --rootless --teardown");
  expect(await asAlice("systemctl --user list-units --all --plain --no-legend 'gantry-*'")).toBe("");
});

test("--userns-remap: root of a container is nobody on the machine, limited as any other", async () => {
  await startDaemon("--userns-remap alice");
  await withDaemon(
    "docker run -d --name mapped -m 64m -v data:/data busybox sh -c 'echo x >/data/file; exec sleep 1000'",
  );
  const outside = `pid=$(docker inspect -f '{{.State.Pid}}' mapped)
    stat -c %u /proc/$pid; cat /sys/fs/cgroup/gantry/*/memory.max; docker exec mapped id -u
    docker exec mapped stat -c %u /data/file; docker exec mapped cat /proc/self/cgroup`;
  expect((await withDaemon(outside)).split("\n")).toEqual(["100000", mib(64), "0", "0", "0::/"]);
  await removeDaemon("--userns-remap alice");
});
