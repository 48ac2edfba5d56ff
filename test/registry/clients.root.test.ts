import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Dockerd, startDockerd } from "../compat/dockerd.ts";
import { runProgram } from "../harness/index.ts";
import { GantryRegistry } from "./gantry-registry.ts";

/** Other programs' clients against `gantry registry serve`. All run in the namespaces of a dockerd, so nothing of them is seen outside. */
const ARCHIVE = join(import.meta.dirname, "../../dist/images/busybox.tar");
/** As htpasswd -nbB wrote it: "secret". */
const USERS = "alice:$2y$05$4/M4dZviYW9IOIQF4zZkzOJ6dq4unYbfzEbnmN3cXsOBP9W0GPmg.\n";
const LIMIT = 60_000;

let dockerd: Dockerd;
let folder: string;
let registry: GantryRegistry;
let locked: GantryRegistry;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gc-"));
  writeFileSync(join(folder, "users"), USERS);
  writeFileSync(join(folder, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
  dockerd = await startDockerd();
  registry = await GantryRegistry.start(join(folder, "open"), [], inside());
  locked = await GantryRegistry.start(
    join(folder, "locked"),
    ["--htpasswd", join(folder, "users")],
    inside(),
  );
}, LIMIT);
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await locked?.[Symbol.asyncDispose]();
  await dockerd?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, LIMIT);

/** In dockerd's network; clients also with its /run and processes, since they write there. */
const inside = (...more: string[]) => ["nsenter", "-t", String(dockerd.pid), "-n", ...more];

/** Run a client with the folder as its home; what it says, when it succeeds. */
async function client(...words: string[]): Promise<string> {
  const [program = "", ...args] = [...inside("-m", "-p"), ...words];
  const env = {
    HOME: folder,
    TMPDIR: folder,
    DOCKER_HOST: dockerd.host,
    DOCKER_CONFIG: join(folder, "docker"),
    REGISTRY_AUTH_FILE: join(folder, "auth.json"),
    XDG_RUNTIME_DIR: folder,
  };
  const { exitCode, stdout, stderr } = await runProgram(program, args, { env, limitMs: LIMIT });
  if (exitCode !== 0) throw new Error(`${words.join(" ")} failed: ${stdout}${stderr}`);
  return stdout + stderr;
}

/** podman takes a runroot of 50 characters at most, and the folder has most of them. */
const place = (name: string) => ["--root", join(folder, name), "--runroot", join(folder, `${name[0]}r`)];
const podman = (...words: string[]) =>
  client(
    "podman",
    ...place("podman"),
    ...["--tmpdir", join(folder, "libpod"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"],
    ...words,
  );
const buildah = (...words: string[]) =>
  client("buildah", ...place("buildah"), "--storage-driver", "vfs", ...words);
const skopeo = (...words: string[]) => client("skopeo", "--policy", join(folder, "policy.json"), ...words);
/** The registries of these tests speak plain HTTP, which docker alone takes from loopback unasked. */
const PLAIN = "--tls-verify=false";

test(
  "docker pushes, mounts, pulls, searches",
  async () => {
    const name = `${registry.host}/team/busybox:docker`;
    await client("docker", "load", "-i", ARCHIVE);
    await client("docker", "tag", "busybox", name);
    const [, pushed] = /digest: (sha256:\w+)/.exec(await client("docker", "push", name)) ?? [];
    const other = `${registry.host}/other/busybox:1`;
    await client("docker", "tag", "busybox", other);
    expect(await client("docker", "push", other)).toContain("Mounted from team/busybox");
    await client("docker", "rmi", "-f", name, other, "busybox");
    expect(await client("docker", "pull", name)).toContain(`Digest: ${pushed}`);
    await client("docker", "pull", `${registry.host}/team/busybox@${pushed}`);
    expect(await client("docker", "pull", "-a", `${registry.host}/other/busybox`)).toContain(
      "1: Pulling from",
    );
    expect(await client("docker", "search", `${registry.host}/busybox`)).toContain("team/busybox");
  },
  LIMIT,
);

test(
  "docker logs in, and is refused without",
  async () => {
    const name = `${locked.host}/private/busybox:1`;
    await client("docker", "load", "-i", ARCHIVE);
    await client("docker", "tag", "busybox", name);
    await expect(client("docker", "push", name)).rejects.toThrow("no basic auth credentials");
    await expect(client("docker", "login", "-u", "alice", "-p", "wrong", locked.host)).rejects.toThrow(
      "401 Unauthorized",
    );
    expect(await client("docker", "login", "-u", "alice", "-p", "secret", locked.host)).toContain(
      "Login Succeeded",
    );
    await client("docker", "push", name);
    await client("docker", "rmi", name);
    await client("docker", "pull", name);
  },
  LIMIT,
);

test(
  "docker and skopeo get tokens for what they do, and no more",
  async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(join(folder, "token.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(join(folder, "token.pub"), publicKey.export({ type: "spki", format: "pem" }));
    await using tokens = await startTokenServer(join(folder, "token.key"));
    const flags = ["--token-realm", tokens.url, "--token-service", "gantry", "--token-issuer", "tests"];
    const trust = ["--token-key", join(folder, "token.pub")];
    await using guarded = await GantryRegistry.start(join(folder, "guarded"), [...flags, ...trust], inside());
    const open = `${guarded.host}/public/busybox:1`;
    const secret = `${guarded.host}/private/busybox:1`;
    await client("docker", "load", "-i", ARCHIVE);
    for (const name of [open, secret]) await client("docker", "tag", "busybox", name);
    await expect(client("docker", "push", open)).rejects.toThrow("denied");
    await expect(client("docker", "login", "-u", "alice", "-p", "no", guarded.host)).rejects.toThrow(
      "unauthorized",
    );
    await client("docker", "login", "-u", "alice", "-p", "secret", guarded.host);
    await client("docker", "push", open);
    expect(await client("docker", "push", secret)).toContain("Mounted from public/busybox");
    await client("docker", "logout", guarded.host);
    await client("docker", "rmi", "-f", open, secret);
    await client("docker", "pull", open);
    await expect(client("docker", "pull", secret)).rejects.toThrow("denied");
    await skopeo("inspect", PLAIN, `docker://${open}`);
    await expect(skopeo("delete", PLAIN, `docker://${open}`)).rejects.toThrow();
    await skopeo("delete", PLAIN, "--creds", "alice:secret", `docker://${secret}`);
    await expect(skopeo("inspect", PLAIN, "--creds", "alice:secret", `docker://${secret}`)).rejects.toThrow(
      "unknown",
    );
  },
  LIMIT,
);

test(
  "skopeo copies in and out, byte for byte",
  async () => {
    const name = `docker://${registry.host}/skopeo/busybox`;
    await skopeo("copy", "--dest-tls-verify=false", `docker-archive:${ARCHIVE}`, `oci:${folder}/in:x`);
    await skopeo("copy", "--dest-tls-verify=false", `oci:${folder}/in:x`, `${name}:oci`);
    await skopeo("copy", "--src-tls-verify=false", `${name}:oci`, `oci:${folder}/out:x`);
    const digest = (layout: string) =>
      JSON.parse(readFileSync(join(folder, layout, "index.json"), "utf8")).manifests[0].digest;
    expect(digest("out")).toBe(digest("in"));
    await skopeo(
      "copy",
      "--dest-tls-verify=false",
      "--format",
      "v2s2",
      `oci:${folder}/in:x`,
      `${name}:docker`,
    );
    const tags = JSON.parse(await skopeo("list-tags", PLAIN, name));
    expect(tags.Tags).toEqual(["docker", "oci"]);
    expect(JSON.parse(await skopeo("inspect", PLAIN, "--raw", `${name}:docker`)).mediaType).toContain(
      "docker.distribution.manifest.v2",
    );
    await skopeo(
      "copy",
      "--src-tls-verify=false",
      "--dest-tls-verify=false",
      `${name}:oci`,
      `${name}2:copied`,
    );
    await skopeo("delete", PLAIN, `${name}2:copied`);
    await expect(skopeo("inspect", PLAIN, `${name}2:copied`)).rejects.toThrow("manifest unknown");
  },
  LIMIT,
);

test(
  "podman logs in, pushes, pulls, searches",
  async () => {
    const name = `${locked.host}/podman/busybox:1`;
    await podman("load", "-i", ARCHIVE);
    await podman("login", PLAIN, "-u", "alice", "-p", "secret", locked.host);
    await podman("push", PLAIN, "busybox", name);
    await podman("rmi", "-f", "busybox");
    await podman("pull", PLAIN, name);
    expect(await podman("images", "--digests")).toContain(`${locked.host}/podman/busybox`);
    expect(await podman("search", PLAIN, `${locked.host}/podman`)).toContain("podman/busybox");
  },
  LIMIT,
);

test(
  "buildah pushes an image, and an index of two platforms",
  async () => {
    const name = `${registry.host}/buildah/app`;
    const container = (await buildah("from", "scratch")).trim();
    await buildah("copy", container, ARCHIVE, "/file");
    for (const architecture of ["amd64", "arm64"]) {
      await buildah("config", "--arch", architecture, container);
      await buildah("commit", container, `${name}:${architecture}`);
    }
    await buildah("manifest", "create", "list", `${name}:amd64`, `${name}:arm64`);
    await buildah("manifest", "push", PLAIN, "--all", "list", `docker://${name}:all`);
    const index = JSON.parse(await skopeo("inspect", PLAIN, "--raw", `docker://${name}:all`));
    const architectures = index.manifests.map(
      (entry: { platform: { architecture: string } }) => entry.platform.architecture,
    );
    expect(architectures.sort()).toEqual(["amd64", "arm64"]);
    await buildah("rmi", "-a", "-f");
    await buildah("pull", PLAIN, "--arch", "arm64", `${name}:all`);
    expect(await buildah("images")).toContain("buildah/app");
  },
  LIMIT,
);

test(
  "docker pulls through a cache, also when the registry behind it is gone",
  async () => {
    const upstream = await GantryRegistry.start(join(folder, "upstream"), [], inside());
    await using cache = await GantryRegistry.start(
      join(folder, "cache"),
      ["--proxy", upstream.url, "--proxy-fresh", "0s"],
      inside(),
    );
    await client("docker", "load", "-i", ARCHIVE);
    await client("docker", "tag", "busybox", `${upstream.host}/app:1`);
    await client("docker", "push", `${upstream.host}/app:1`);
    for (const _ of ["from upstream", "from the cache"]) {
      await client("docker", "rmi", "-f", `${upstream.host}/app:1`, `${cache.host}/app:1`, "busybox").catch(
        () => undefined,
      );
      await client("docker", "pull", `${cache.host}/app:1`);
      await upstream.end("SIGTERM");
    }
  },
  LIMIT,
);

/** The tests' own token server, beside the registries. */
async function startTokenServer(key: string): Promise<{ url: string } & AsyncDisposable> {
  const [program = "", ...args] = [
    ...inside(),
    process.execPath,
    join(import.meta.dirname, "token-server.ts"),
    key,
  ];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit", "pipe"] });
  const ready = child.stdio[3];
  if (ready === null || ready === undefined) throw new Error("the token server has no pipe");
  const [url] = await once(ready, "data");
  ready.destroy();
  return {
    url: String(url).trim(),
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
