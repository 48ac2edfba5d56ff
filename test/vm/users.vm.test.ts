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
  // systemd removes a scope with its counts as soon as nobody is in it: one time in four before the shim had read them.
  const oom = `for i in 1 2 3 4 5; do
      docker run --name greedy -m 16m --memory-swap 16m busybox sh -c 'x=a; while :; do x=$x$x; done' || true
      docker inspect -f '{{.State.OOMKilled}}' greedy; docker rm greedy >/dev/null; done`;
  expect(await asAlice(oom)).toBe("true\ntrue\ntrue\ntrue\ntrue");
  await inGuest(`daemon=$(pgrep -u alice -x gantry)
    kill -KILL $daemon
    for pid in $daemon; do tail --pid=$pid -f /dev/null; done`);
  expect(await asAlice("gantry exec limited echo still here")).toBe("still here");
  await asAlice("docker rm -f limited");
  await inGuest(`test ! -e ${group}
    daemon=$(pgrep -u alice -x gantry)
    kill -TERM $daemon
    for pid in $daemon; do tail --pid=$pid -f /dev/null; done`);
  await asAlice("gantry daemon --rootless --teardown");
  expect(await asAlice("systemctl --user list-units --all --plain --no-legend 'gantry-*'")).toBe("");
});

test("a user without systemd has limits below a control group that he was given", async () => {
  await inGuest("cmp -s /dist/gantry /usr/local/bin/gantry || install /dist/gantry /usr/local/bin/gantry");
  const variables = "HOME=/home/alice XDG_RUNTIME_DIR=/run/plain DOCKER_HOST=unix:///run/plain/gantry.sock";
  const asUser = (script: string) =>
    inGuest(`runuser -u alice -- env ${variables} bash -euo pipefail -c '${script}'`);
  const group = "/sys/fs/cgroup/plain";
  // As a supervisor gives it: the folder and the files of its division are his, not the limits of the whole.
  const start = `sh -c 'test -e ${group}/gantry-daemon && cd ${group}/gantry-daemon || cd ${group}
      echo $$ >cgroup.procs; cd /; exec setpriv --reuid alice --regid alice --init-groups env ${variables} GANTRY_READY_FD=3 \
      gantry daemon --rootless 3>/run/plain.ready >>/run/plain.log 2>&1' & head -c 1 /run/plain.ready >/run/plain.said; test -s /run/plain.said`;
  await inGuest(`install -d -o alice -m 700 /run/plain; mkdir ${group}; rm -f /run/plain.ready; mkfifo /run/plain.ready
    echo "+memory +cpu +pids" >/sys/fs/cgroup/cgroup.subtree_control
    chown alice ${group} ${group}/cgroup.procs ${group}/cgroup.subtree_control
    ${start}`);
  expect(await asUser('docker info -f "{{.CgroupDriver}} {{.CgroupVersion}}"')).toBe("cgroupfs 2");
  const limits = "-m 64m --memory-swap 100m --cpus 0.5 --pids-limit 20";
  for (const runtime of ["gantry", "runc"]) {
    const id = await asUser(`docker run -d --name limited --runtime ${runtime} ${limits} busybox sleep 1000`);
    const values = await inGuest(`cd ${group}/gantry/${id}; cat memory.max memory.swap.max cpu.max pids.max`);
    expect(values.split("\n")).toEqual([mib(64), mib(36), "50000 100000", "20"]);
    const inside = "docker exec limited cat /proc/self/cgroup /sys/fs/cgroup/memory.max";
    expect(await asUser(inside)).toBe(`0::/\n${mib(64)}`);
    await asUser(
      "docker pause limited; docker update -m 96m --memory-swap 128m limited; docker unpause limited",
    );
    expect(await inGuest(`cat ${group}/gantry/${id}/memory.max`)).toBe(mib(96));
    await asUser("docker rm -f limited");
    await inGuest(`test ! -e ${group}/gantry/${id}`);
  }
  const daemon = `pid=$(cat ${group}/gantry-daemon/cgroup.procs | xargs ps -o pid=,args= -p | awk '/rootless-wait/ {print $1}')`;
  await asUser("docker run -d --name kept -m 64m busybox sleep 1000");
  await inGuest(`${daemon}; kill -TERM $pid; tail --pid=$pid -f /dev/null; ${start}`);
  expect(await asUser("docker stats --no-stream --format {{.MemUsage}} kept; docker rm -f kept")).toContain(
    "/ 64MiB",
  );
  await inGuest(`${daemon}; kill -TERM $pid; tail --pid=$pid -f /dev/null
    sh -c 'echo $$ >${group}/gantry-daemon/cgroup.procs; exec setpriv --reuid alice --regid alice --init-groups env ${variables} gantry daemon --rootless --teardown'
    while grep -q "populated 1" ${group}/cgroup.events; do :; done
    rmdir ${group}; rm -r /run/plain*`);
}, 600_000);

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
