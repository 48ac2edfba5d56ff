import { afterAll, beforeAll, expect, test } from "bun:test";
import { killDaemon, removeDaemon, startDaemon, withDaemon } from "./daemon.ts";
import { inGuest, tryIn } from "./guest.ts";

/** The kernel's own server of NFS, on the machine's loopback, and volumes whose files it has. */
beforeAll(async () => {
  await inGuest(`
    mkdir -p /srv/shared
    chown 1000:1000 /srv/shared
    echo '/srv/shared 127.0.0.1(rw,sync,no_subtree_check,no_root_squash,fsid=1)' >/etc/exports
    systemctl start nfs-server`);
  await startDaemon();
});
afterAll(async () => {
  await removeDaemon();
  await inGuest("systemctl stop nfs-server; rm -rf /srv/shared /etc/exports");
});

const create = (name: string, options: string, device = ":/srv/shared") =>
  `docker volume create --opt type=nfs --opt o=${options} --opt device=${device} ${name}`;

const mounts = () => inGuest("findmnt -n -l -t nfs,nfs4 -o FSTYPE,SOURCE || true");

test("files of a server are a volume: written through it, with their owners, mounted while a container runs", async () => {
  await withDaemon(create("shared", "addr=127.0.0.1,rw,vers=4.2"));
  expect(await mounts()).toBe("");
  await withDaemon("docker run -d --name writer -u 1000 -v shared:/data busybox sleep 1000");
  expect(await mounts()).toMatch(/^nfs4 +:\/srv\/shared$/m);
  await withDaemon("docker exec writer sh -c 'echo hello >/data/greeting'");
  expect(await inGuest("cat /srv/shared/greeting; stat -c %u:%g /srv/shared/greeting")).toBe("hello\n1000:0");
});

test("a crash of the daemon takes no mount away; the last container's end does", async () => {
  await killDaemon();
  await startDaemon();
  expect(await withDaemon("docker exec writer cat /data/greeting")).toBe("hello");
  await withDaemon("docker run --rm -v shared:/data busybox cat /data/greeting");
  expect(await mounts()).not.toBe("");
  await withDaemon("docker rm -f writer");
  expect(await mounts()).toBe("");
});

test("the server's name is looked up, and version 3 works without programs of the host", async () => {
  await withDaemon(create("named", "addr=localhost,ro,vers=4.2"));
  expect(await withDaemon("docker run --rm -v named:/data busybox cat /data/greeting")).toBe("hello");
  const script = "docker run --rm -v named:/data busybox touch /data/new";
  expect((await tryIn(`export DOCKER_HOST=unix:///run/gantry.sock; ${script}`)).stderr).toContain(
    "Read-only file system",
  );
  await withDaemon(create("third", "addr=127.0.0.1,nolock,vers=3"));
  expect(await withDaemon("docker run --rm -v third:/data busybox cat /data/greeting")).toBe("hello");
});

test("what the server does not have is told, and nothing stays", async () => {
  await withDaemon(create("missing", "addr=127.0.0.1,vers=4.2", ":/srv/other"));
  const { exitCode, stderr } = await tryIn(
    "export DOCKER_HOST=unix:///run/gantry.sock; docker run --rm -v missing:/data busybox true",
  );
  expect(exitCode).toBe(125);
  expect(stderr).toContain("failed to mount local volume");
  expect(stderr).toContain("special device :/srv/other does not exist");
  expect(await mounts()).toBe("");
});
