import { afterAll, beforeAll, expect, test } from "bun:test";
import { killDaemon, removeDaemon, startDaemon, withDaemon } from "./daemon.ts";
import { inGuest, tryIn } from "./guest.ts";

const OPTIONS = "--exec-opt native.cgroupdriver=systemd";

/** Scopes of systemd(1) as the groups of containers. */
beforeAll(() => startDaemon(OPTIONS));
afterAll(async () => {
  await removeDaemon(OPTIONS);
  expect(await inGuest("systemctl list-units --all --plain --no-legend 'gantry-*.scope'")).toBe("");
});

const mib = (count: number) => String(count * 1024 * 1024);
const idOf = (name: string) => withDaemon(`docker inspect -f '{{.Id}}' ${name}`);

test("a container's group is a scope of its own that systemd has given away, with its limits", async () => {
  expect(await withDaemon("docker info -f '{{.CgroupDriver}}'")).toBe("systemd");
  await withDaemon(
    "docker run -d --name placed -m 64m --memory-swap 100m --cpus 0.5 --pids-limit 20 --cpuset-cpus 1 busybox sleep 1000",
  );
  const id = await idOf("placed");
  const properties =
    "-p ActiveState -p Slice -p Delegate -p MemoryMax -p MemorySwapMax -p TasksMax -p AllowedCPUs";
  const shown = await inGuest(`systemctl show ${properties} gantry-${id}.scope`);
  expect(shown.split("\n").sort()).toEqual([
    "ActiveState=active",
    "AllowedCPUs=1",
    "Delegate=yes",
    `MemoryMax=${mib(64)}`,
    `MemorySwapMax=${mib(36)}`,
    "Slice=system.slice",
    "TasksMax=20",
  ]);
  const files = "memory.max memory.swap.max cpu.max pids.max cpuset.cpus";
  const group = `/sys/fs/cgroup/system.slice/gantry-${id}.scope`;
  expect((await inGuest(`cd ${group}; cat ${files}; cat cgroup.procs | wc -l`)).split("\n")).toEqual([
    mib(64),
    mib(36),
    "50000 100000",
    "20",
    "1",
    "1",
  ]);
  expect(await withDaemon("docker exec placed cat /proc/self/cgroup")).toBe("0::/");
});

test("what update changes survives a reload of systemd", async () => {
  await withDaemon(
    "docker update -m 128m --memory-swap 256m --pids-limit 30 --cpus 1.5 placed; systemctl daemon-reload",
  );
  const group = `/sys/fs/cgroup/system.slice/gantry-${await idOf("placed")}.scope`;
  const values = await inGuest(`cd ${group}; cat memory.max memory.swap.max pids.max cpu.max`);
  expect(values.split("\n")).toEqual([mib(128), mib(128), "30", "150000 100000"]);
});

test("the next daemon takes it over; the scope goes with the container", async () => {
  const id = await idOf("placed");
  await killDaemon();
  await startDaemon(OPTIONS);
  await withDaemon("docker pause placed; docker unpause placed; docker rm -f placed");
  expect(await inGuest(`systemctl list-units --all --plain --no-legend gantry-${id}.scope`)).toBe("");
  expect((await tryIn(`test -e /sys/fs/cgroup/system.slice/gantry-${id}.scope`)).exitCode).toBe(1);
});

test("--cgroup-parent names a slice, and nothing else", async () => {
  await withDaemon("docker run -d --name sliced --cgroup-parent team-one.slice busybox sleep 1000");
  const group = `/sys/fs/cgroup/team.slice/team-one.slice/gantry-${await idOf("sliced")}.scope`;
  expect(await inGuest(`wc -l <${group}/cgroup.procs`)).toBe("1");
  await withDaemon("docker rm -f sliced");
  const refused = await withDaemon("docker run --cgroup-parent /team busybox true 2>&1 || true");
  expect(refused).toContain('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"');
});

test("another runtime is told to ask systemd, too", async () => {
  await withDaemon("docker run -d --name foreign --runtime runc -m 50m busybox sleep 1000");
  const unit = `gantry-${await idOf("foreign")}.scope`;
  expect(
    await inGuest(`systemctl show -P MemoryMax ${unit}; cat /sys/fs/cgroup/system.slice/${unit}/memory.max`),
  ).toBe(`${mib(50)}\n${mib(50)}`);
  await withDaemon("docker rm -f foreign");
});

test("a container may be limited to one process", async () => {
  const limited =
    "docker run --rm --pids-limit 1 busybox sh -c 'cat /sys/fs/cgroup/pids.max & wait' 2>&1 || true";
  expect(await withDaemon(limited)).toContain("can't fork");
  expect(await withDaemon("docker run --rm --pids-limit 1 busybox cat /sys/fs/cgroup/pids.max")).toBe("1");
});

test("a start that fails leaves no scope; an exit code passes", async () => {
  const said = await withDaemon(
    "docker run --rm busybox /nope 2>/dev/null || echo $?; docker run --rm busybox sh -c 'exit 7' || echo $?",
  );
  expect(said).toBe("127\n7");
  expect(await inGuest("systemctl list-units --all --plain --no-legend 'gantry-*.scope'")).toBe("");
});

test("the OCI runtime has systemd make the group of a bundle", async () => {
  const config = {
    ociVersion: "1.0.2",
    process: { args: ["/bin/sleep", "1000"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
    root: { path: "rootfs" },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: {
      cgroupsPath: "system.slice:bundle:one",
      namespaces: [{ type: "pid" }, { type: "mount" }],
      resources: { memory: { limit: 52428800 } },
    },
  };
  const said = await inGuest(`mkdir -p /root/bundle/rootfs/bin /root/bundle/rootfs/proc; cd /root/bundle
    cp /bin/busybox rootfs/bin/sleep
    echo '${JSON.stringify(config)}' >config.json
    runtime="gantry oci --systemd-cgroup"
    $runtime create one </dev/null >/dev/null 2>&1
    $runtime start one
    systemctl show -P MemoryMax bundle-one.scope
    $runtime update --memory 104857600 one
    systemctl daemon-reload
    cat /sys/fs/cgroup/system.slice/bundle-one.scope/memory.max
    $runtime delete --force one
    systemctl show -P ActiveState bundle-one.scope`);
  expect(said.split("\n")).toEqual([mib(50), mib(100), "inactive"]);
});
