import { afterAll, beforeAll, expect, test } from "bun:test";
import { killDaemon, removeDaemon, startDaemon, withDaemon } from "./daemon.ts";
import { inGuest, tryIn } from "./guest.ts";

/** A machine as most have it: every controller in version 2, systemd(1) as process 1. */
beforeAll(() => startDaemon());
afterAll(async () => {
  await removeDaemon();
  expect(await inGuest("ls -d /sys/fs/cgroup/gantry 2>/dev/null || true")).toBe("");
});

/** The values of files in a container's group, as the host sees them. */
const limits = (name: string, ...files: string[]) =>
  withDaemon(
    `cd /sys/fs/cgroup/gantry/$(docker inspect -f '{{.Id}}' ${name}); for file in ${files.join(" ")}; do echo $(cat $file); done`,
  ).then((text) => text.split("\n"));

test("the machine is what it is to be", async () => {
  expect(await inGuest("stat -f -c %T /sys/fs/cgroup; cat /proc/1/comm")).toBe("cgroup2fs\nsystemd");
  const info = "docker info -f '{{.CgroupVersion}} {{.CgroupDriver}} {{.Warnings}}'";
  expect(await withDaemon(info)).toBe("2 cgroupfs []");
});

test("every limit is in the kernel's files, seen from outside and from inside", async () => {
  await withDaemon(`docker run -d --name limited -m 64m --memory-swap 100m --memory-reservation 32m --cpus 0.5 \\
    --cpu-shares 512 --cpuset-cpus 1 --pids-limit 20 --blkio-weight 300 busybox sleep 1000`);
  const files = [
    "memory.max",
    "memory.swap.max",
    "memory.low",
    "cpu.max",
    "cpu.weight",
    "cpuset.cpus",
    "pids.max",
  ];
  const mib = 1024 * 1024;
  const values = [64, 36, 32].map((size) => String(size * mib));
  const expected = [...values, "50000 100000", "20", "1", "20"];
  expect(await limits("limited", ...files, "io.weight")).toEqual([...expected, "default 2930"]);
  const inside = await withDaemon(
    `docker exec limited sh -c 'cat /proc/self/cgroup; nproc; cd /sys/fs/cgroup; cat ${files.join(" ")}'`,
  );
  expect(inside.split("\n")).toEqual(["0::/", "1", ...expected]);
  expect(await withDaemon("gantry explain limited")).toMatch(/memory +memory\.max +64MiB, .* used/);
});

test("update changes what it is told and leaves the rest as it was", async () => {
  const mib = (count: number) => String(count * 1024 * 1024);
  await withDaemon(
    "docker update -m 128m --memory-swap 256m --cpus 1.5 --pids-limit 30 --cpuset-cpus 0-1 limited",
  );
  expect(
    await limits("limited", "memory.max", "memory.swap.max", "cpu.max", "pids.max", "cpuset.cpus"),
  ).toEqual([mib(128), mib(128), "150000 100000", "30", "0-1"]);
  // Of version 2 swap is told alone, of Docker together with memory.
  await withDaemon("docker update --memory-swap 300m limited");
  expect(await limits("limited", "memory.max", "memory.swap.max")).toEqual([mib(128), mib(172)]);
  await withDaemon("docker update -m 200m limited");
  expect(await limits("limited", "memory.max", "memory.swap.max")).toEqual([mib(200), mib(100)]);
  await withDaemon("docker update --blkio-weight 500 limited");
  expect(await limits("limited", "io.weight", "cpu.max")).toEqual(["default 4950", "150000 100000"]);
});

test("a disk has a weight of its own where its scheduler knows weights", async () => {
  const weights = "--blkio-weight 300 --blkio-weight-device /dev/vda:700";
  const { stderr } = await tryIn(
    `DOCKER_HOST=unix:///run/gantry.sock docker run --rm ${weights} busybox true`,
  );
  expect(stderr).toContain("/dev/vda has no weights (blkio-weight-device): it needs the scheduler bfq");
  const scheduler = "/sys/block/vda/queue/scheduler";
  const before = await inGuest(
    `sed 's/.*\\[\\(.*\\)\\].*/\\1/' ${scheduler}; modprobe bfq; echo bfq >${scheduler}`,
  );
  await withDaemon(`docker run -d --name weighed ${weights} busybox sleep 1000`);
  const disk = await inGuest("cat /sys/block/vda/dev");
  const expected = `default 300 ${disk} 700`;
  expect(await limits("weighed", "io.bfq.weight")).toEqual([expected]);
  const inside = "docker exec weighed cat /sys/fs/cgroup/io.bfq.weight";
  expect((await withDaemon(inside)).replaceAll("\n", " ")).toBe(expected);
  await withDaemon("docker rm -f weighed");
  await inGuest(`echo ${before} >${scheduler}`);
});

test("pause stands still, stats counts", async () => {
  await withDaemon("docker pause limited");
  expect(await limits("limited", "cgroup.freeze")).toEqual(["1"]);
  const status = `docker ps -f name=limited --format '{{.Status}}'`;
  expect(await withDaemon(status)).toContain("(Paused)");
  await withDaemon("docker unpause limited");
  const stats = "docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' limited";
  expect(await withDaemon(stats)).toMatch(/^[\d.]+KiB \/ 200MiB 1$/);
});

test("a killed daemon is followed by one that takes the container over", async () => {
  await killDaemon();
  await startDaemon();
  expect(await withDaemon("docker exec limited echo still here")).toBe("still here");
  await withDaemon("docker stop -t 0 limited");
  expect(await withDaemon("docker inspect -f '{{.State.ExitCode}}' limited")).toBe("137");
});

test("devices are let through and kept back by an eBPF program", async () => {
  const inside = [
    "head -c 1 /dev/kmsg >/dev/null && echo kmsg is read",
    "echo x 2>/dev/null >/dev/kmsg || echo kmsg is not written",
    "mknod /full c 1 7; head -c 1 /full >/dev/null && echo full is read",
    "mknod /loop b 7 0; head -c 1 /loop 2>/dev/null || echo loop is not read",
  ];
  const flags = "--device /dev/kmsg:/dev/kmsg:r --device-cgroup-rule 'c 1:7 r' --cap-add SYSLOG";
  const said = await withDaemon(`docker run --rm ${flags} busybox sh -c '${inside.join("\n")}' 2>/dev/null`);
  expect(said.split("\n")).toEqual([
    "kmsg is read",
    "kmsg is not written",
    "full is read",
    "loop is not read",
  ]);
});

test("an end for want of memory is told as one, in the state and in an event", async () => {
  const script = "x=a; while :; do x=$x$x; done";
  const said = await withDaemon(`since=$(date +%s)
    docker run --name greedy -m 16m --memory-swap 16m busybox sh -c '${script}' || echo "code $?"
    docker inspect -f '{{.State.OOMKilled}}' greedy
    docker events --since $since --until $(($(date +%s) + 1)) --filter container=greedy --format '{{.Action}}' | tr '\\n' ' '`);
  expect(said.split("\n")).toEqual(["code 137", "true", "create attach start oom die"]);
});

test("of a container that goes on when one of its processes is killed, the event comes at once", async () => {
  const script = "sh -c 'x=a; while :; do x=$x$x; done'; exec sleep 1000";
  const said =
    await withDaemon(`docker run -d --name on -m 16m --memory-swap 16m busybox sh -c "${script.replaceAll("$", "\\$")}" >/dev/null
    head -n 1 <(docker events --since 10m --filter container=on --filter event=oom --format '{{.Action}}')
    docker inspect -f '{{.State.Running}}' on; docker rm -f on`);
  expect(said.split("\n")).toEqual(["oom", "true", "on"]);
});

test("--cgroup-parent and --cgroupns", async () => {
  const parent = "docker run -d --name child --cgroup-parent /team/one -m 50m busybox sleep 1000 >/dev/null";
  expect(await withDaemon(`${parent}; cat /sys/fs/cgroup/team/one/*/memory.max`)).toBe(
    String(50 * 1024 * 1024),
  );
  await withDaemon("docker rm -f child; rmdir /sys/fs/cgroup/team/one /sys/fs/cgroup/team");
  const host = "docker run --rm --cgroupns host busybox cat /proc/self/cgroup";
  expect(await withDaemon(host)).toMatch(/^0::\/gantry\/[0-9a-f]{64}$/);
});

test("a published port answers", async () => {
  const serve = "mkdir /w; echo hello >/w/index.html; httpd -h /w; echo serves; exec sleep 1000";
  await withDaemon(`docker run -d --name web -p 8080:80 busybox sh -c '${serve}'
    grep -q -m 1 serves <(docker logs -f web)`);
  expect(await withDaemon("busybox wget -q -O - http://127.0.0.1:8080/")).toBe("hello");
});

test("layers are put together on a kernel that takes them in one string", async () => {
  // Before Linux 6.7; a newer one passes this as well.
  const image = "docker run --rm --mount type=image,source=hello-world,target=/image busybox ls /image";
  expect(await withDaemon(image)).toBe("hello");
  const dockerfile = [
    "FROM busybox",
    "RUN --mount=type=bind,from=hello-world,target=/m ls /m && rm /bin/vi",
    "RUN test ! -e /bin/vi",
  ];
  await withDaemon(`mkdir -p /root/context; printf '${dockerfile.join("\\n")}' >/root/context/Dockerfile
    gantry build -q -t moved /root/context`);
  expect(await withDaemon("docker run --rm moved sh -c 'test -e /bin/vi || echo removed'")).toBe("removed");
});
