import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { killDaemon, removeDaemon, startDaemon, withDaemon } from "./daemon.ts";
import { inGuest, tryIn } from "./guest.ts";

const MAKE: Readonly<Record<string, string>> = {
  ext4: "mkfs.ext4 -q -O quota,project -E quotatype=prjquota",
  xfs: "mkfs.xfs -q",
};

/** The helper as the daemon installs it. */
const SHIM = "shim=$(echo $root/bin/gantry-shim-*)";

for (const [type, make] of Object.entries(MAKE)) {
  describe(`a data root on ${type} with project quotas`, () => {
    const root = `/mnt/${type}/data`;
    const options = `--data-root ${root}`;
    const here = `root=${root}\n`;
    /** Runs in a container until a disk is full; prints why, the size of the folder's file system and of what it could write. */
    const fill = (folder: string) =>
      `sh -c 'dd if=/dev/zero of=${folder}/big bs=64k count=640 2>&1 | grep big; stat -f -c "%b %S" ${folder}; stat -c %s ${folder}/big'`;
    const full = type === "xfs" ? "No space left on device" : "Disk quota exceeded";
    const MIB = 1024 * 1024;

    /** How much of so many MiB was written before the kernel said that this is all. */
    function expectFull(said: string, mib: number): void {
      const [complaint = "", size = "", bytes] = said.split("\n");
      const [blocks = 0, blockBytes = 0] = size.split(" ").map(Number);
      expect([complaint, blocks * blockBytes]).toEqual([expect.stringContaining(full), mib * MIB]);
      expect(Number(bytes)).toBeLessThanOrEqual(mib * MIB);
      expect(Number(bytes)).toBeGreaterThan((mib - 1) * MIB);
    }

    /** The projects that anything is counted with or that have a limit, from the first one of this engine on. */
    const projectsInUse = () =>
      inGuest(
        `find ${root}/snapshots ${root}/volumes -mindepth 1 -maxdepth 1 -exec lsattr -pd {} + | awk '$1 > 1000 { print $1 }' | sort`,
      ).then((text) => text.split("\n").filter(Boolean));
    const useOf = (project: string) =>
      inGuest(`${here}${SHIM}; sync -f $root; $shim quota use $root ${project}`);

    beforeAll(async () => {
      await inGuest(`truncate -s 1G /var/tmp/${type}.img
        ${make} /var/tmp/${type}.img
        mkdir -p /mnt/${type}
        mount -o loop,prjquota /var/tmp/${type}.img /mnt/${type}`);
      await startDaemon(options);
    });
    afterAll(async () => {
      await removeDaemon(options);
      await inGuest(`umount /mnt/${type}; rm /var/tmp/${type}.img`);
    });

    test("a container writes up to its limit, and no other one is touched by that", async () => {
      const create = "docker run --name";
      expectFull(await withDaemon(`${create} small --storage-opt size=20m busybox ${fill("/")}`), 20);
      // All capabilities of the machine do not help: overlayfs writes without CAP_SYS_RESOURCE.
      const privileged = `${create} mighty --privileged --storage-opt size=10m busybox ${fill("/")}`;
      expectFull(await withDaemon(privileged), 10);
      const free = await withDaemon(`${create} free busybox ${fill("/")}`);
      expect(Number(free.split("\n").at(-1))).toBe(40 * MIB);
      expect(await withDaemon("docker inspect -f '{{.HostConfig.StorageOpt}}' small free")).toBe(
        "map[size:20m]\nmap[]",
      );
      expect(await withDaemon("gantry explain small")).toMatch(
        /limited by a disk quota: 20MiB, (19\.\d+|20)MiB used/,
      );
      // What the engine brings is counted as well.
      const copied = await tryIn(`export DOCKER_HOST=unix:///run/gantry.sock
        truncate -s 0 /run/file; dd if=/dev/urandom of=/run/file bs=1M count=12 status=none
        docker create --name target --storage-opt size=8m busybox >/dev/null; docker cp /run/file target:/`);
      expect([copied.exitCode, copied.stderr]).toEqual([1, expect.stringContaining(full)]);
      await withDaemon("docker rm small mighty free target");
    });

    test("a container cannot take its files out of the count", async () => {
      const programs = ["/usr/bin/chattr", "/usr/bin/lsattr", "/usr/lib:/lib", "/usr/lib64:/lib64"];
      const mounts = programs
        .map((path) => `-v ${path.includes(":") ? path : `${path}:${path}`}:ro`)
        .join(" ");
      const said = await withDaemon(`docker run --rm --storage-opt size=10m ${mounts} busybox \\
        sh -c 'echo x >/file; chattr -p 0 /file; lsattr -p /file' 2>&1`);
      expect(said).toContain("Operation not permitted");
      const [project = "0"] = said.trim().split("\n").at(-1)?.trim().split(" ") ?? [];
      expect(Number(project)).toBeGreaterThan(1000);
    });

    test("a volume takes what it was made for, with all that comes into it", async () => {
      await withDaemon("docker volume create --opt size=10m data");
      expect(await withDaemon("docker volume inspect -f '{{.Options}}' data")).toBe("map[size:10m]");
      const use = `docker run --rm -v data:/data busybox ${fill("/data")}`;
      expectFull(await withDaemon(use), 10);
      await withDaemon("gantry volume clone data twin");
      expectFull(await withDaemon(use.replace("data:", "twin:")), 10);
      const archive =
        "dd if=/dev/urandom of=/run/blob bs=1M count=12 status=none; tar -C /run -cf /run/blob.tar blob";
      await withDaemon(`${archive}; docker run --rm -v data:/data busybox rm /data/big`);
      const imported = await tryIn(
        `GANTRY_HOST=unix:///run/gantry.sock gantry volume import data /run/blob.tar`,
      );
      expect([imported.exitCode, imported.stderr]).toEqual([1, expect.stringContaining(full)]);
      await inGuest("rm /run/blob /run/blob.tar");
      const first = await tryIn(
        "DOCKER_HOST=unix:///run/gantry.sock docker run --rm --mount type=volume,target=/bin,volume-opt=size=1m busybox true",
      );
      expect([first.exitCode, first.stderr]).toEqual([125, expect.stringContaining(full.toLowerCase())]);
      await withDaemon("docker volume rm data twin");
    });

    test("projects are one for each, are given back, and not taken from others", async () => {
      await withDaemon(`docker create --name aa --storage-opt size=5m busybox true
        docker create --name bb --storage-opt size=5m busybox true
        docker volume create -o size=5m cc`);
      const projects = await projectsInUse();
      expect(new Set(projects).size).toBe(3);
      const [lowest = ""] = projects;
      await withDaemon("docker rm aa bb; docker volume rm cc");
      for (const project of projects) expect(await useOf(project)).toBe("0 0");
      // Somebody else has the first one by now.
      await inGuest(`${here}${SHIM}; mkdir $root/../other; $shim quota limit $root/../other ${lowest} 4096`);
      await withDaemon("docker create --name aa --storage-opt size=5m busybox true");
      expect(await projectsInUse()).not.toContain(lowest);
      await withDaemon("docker rm aa");
      expect(await useOf(lowest)).toStartWith("4096 ");
      await inGuest(`${here}${SHIM}; rmdir $root/../other; $shim quota lift $root ${lowest}`);
    });

    test("a daemon that is killed leaves no limit behind, and the next one puts lost ones back", async () => {
      await withDaemon(`docker run -d --name stays --storage-opt size=10m busybox sleep 100000
        docker volume create -o size=10m kept`);
      const before = await projectsInUse();
      for (const work of [
        "docker rm -f $(docker create --storage-opt size=5m busybox true)",
        "docker volume rm $(docker volume create -o size=5m)",
      ]) {
        await inGuest(`export DOCKER_HOST=unix:///run/gantry.sock
          (while ${work}; do :; done) >/run/progress 2>/dev/null </dev/null &
          until [ -s /run/progress ]; do sleep 0.05; done`);
        await killDaemon();
        await startDaemon(options);
        const left =
          "docker ps -aq --no-trunc --filter status=created; docker volume ls -q | grep -v kept || true";
        await withDaemon(`for id in $(${left}); do docker rm $id || docker volume rm $id; done`);
        expect(await projectsInUse()).toEqual(before);
      }
      await killDaemon();
      await inGuest(
        `${here}${SHIM}; for project in ${before.join(" ")}; do $shim quota lift $root $project; done`,
      );
      await startDaemon(options);
      expectFull(await withDaemon(`docker exec stays ${fill("/")}`), 10);
      expectFull(await withDaemon(`docker run --rm -v kept:/kept busybox ${fill("/kept")}`), 10);
      await withDaemon("docker rm -f stays; docker volume rm kept");
      for (const project of before) expect(await useOf(project)).toBe("0 0");
    });

    test("a daemon's default is that of containers that do not say, also in a user namespace", async () => {
      await withDaemon("systemctl stop gantry");
      await startDaemon(`${options} --userns-remap alice --storage-opt overlay2.size=10m`);
      expectFull(await withDaemon(`docker run --rm busybox ${fill("/")}`), 10);
      expectFull(await withDaemon(`docker run --rm --storage-opt size=20m busybox ${fill("/")}`), 20);
      const none = await withDaemon(`docker run --rm --storage-opt size=0 busybox ${fill("/")}`);
      expect(Number(none.split("\n").at(-1))).toBe(40 * MIB);
      await withDaemon("docker volume create -o size=10m mapped");
      expectFull(await withDaemon(`docker run --rm -v mapped:/data busybox ${fill("/data")}`), 10);
      await withDaemon("docker volume rm mapped; systemctl stop gantry");
      await startDaemon(options);
    });

    test("kernels before quotactl_fd(2) are asked by the device", async () => {
      const filter = "-p SystemCallFilter=~quotactl_fd -p SystemCallErrorNumber=ENOSYS";
      const said = await inGuest(`${here}${SHIM}
        systemd-run --quiet --wait --pipe --collect ${filter} $shim quota state $root`);
      expect(said).toBe("enforced");
    });
  });
}

test("where the quotas are off, the refusal says how they are switched on", async () => {
  await inGuest(`truncate -s 400M /var/tmp/plain.img; mkfs.xfs -q /var/tmp/plain.img; mkdir -p /mnt/plain
    mount -o loop /var/tmp/plain.img /mnt/plain`);
  await startDaemon("--data-root /mnt/plain/data");
  const refused = await tryIn("DOCKER_HOST=unix:///run/gantry.sock docker volume create -o size=10m sized");
  expect(refused.stderr.trim()).toEndWith(
    "the file system of /mnt/plain/data (xfs, mounted at /mnt/plain) has no project quotas: unmount it and mount it with the option prjquota (for the machine's root: rootflags=prjquota on the kernel's command line)",
  );
  await removeDaemon("--data-root /mnt/plain/data");
  await inGuest("umount /mnt/plain; rm /var/tmp/plain.img");
});
