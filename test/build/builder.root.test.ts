import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { contextOf } from "./context.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon(["--build-cache-limit", "3MB"]);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function build(dockerfile: string, ...args: string[]) {
  using context = contextOf({ Dockerfile: dockerfile });
  return await daemon.gantry("build", "--progress=plain", ...args, context.path);
}
const records = async (format: string) =>
  (await daemon.gantry("builder", "du", "--format", format)).stdout.split("\n").filter((line) => line !== "");

describe("the build cache", () => {
  test("is listed with the reason why each record is kept", async () => {
    await build("FROM busybox\nRUN head -c 100000 /dev/zero >/in-image", "-t", "kept");
    await build(
      "FROM busybox\nRUN --mount=type=cache,target=/c head -c 50000 /dev/zero >/c/f\nRUN echo alone >/f",
      "-t",
      "gone",
    );
    await daemon.docker("rmi", "gone");
    const all = await records("{{.Type}} {{.Size}} {{.Reclaimable}} {{.Description}}: {{.Kept}}");
    expect(all).toContainEqual(
      expect.stringMatching(/^regular 100kB false RUN head .*: an image has the same layer$/),
    );
    expect(all).toContainEqual(
      expect.stringMatching(/^regular 6B true RUN echo alone.*: used 1 time, below the ceiling$/),
    );
    expect(all).toContainEqual(
      expect.stringMatching(/^exec.cachemount 5\dkB true cache mount \/c: used 1 time/),
    );
    const { stdout } = await daemon.gantry("builder", "du");
    expect(stdout).toMatch(/Shared:.*100kB\nReclaimable:.*kB\nTotal:/);
  });

  test("prune --dry-run tells what would go, and nothing goes", async () => {
    const before = await records("{{.ID}}");
    const { stdout, exitCode } = await daemon.gantry("builder", "prune", "--dry-run");
    expect(stdout).toContain("RUN echo alone");
    expect(stdout).not.toContain("RUN head -c 100000");
    expect(stdout).toContain("Would free:");
    expect(exitCode).toBe(0);
    expect(await records("{{.ID}}")).toEqual(before);
    await daemon.gantry("builder", "prune", "-f");
    const after = await records("{{.Description}}");
    expect(after.join("\n")).toContain("RUN head -c 100000");
    expect(after.join("\n")).not.toContain("alone");
  });

  test("never stays over its ceiling, whose oldest records go first", async () => {
    for (const name of ["first", "second", "third"])
      await build(`FROM busybox\nRUN head -c 1400000 /dev/urandom >/${name}`);
    // Images without a name would speak for their layers.
    await daemon.docker("image", "prune", "-f");
    await build("FROM busybox\nRUN true");
    const described = (await records("{{.Description}}")).join("\n");
    expect(described).not.toContain("/first");
    expect(described).toContain("/third");
    const sizes = (await daemon.api("GET", "/build/cache")).body;
    const left = (JSON.parse(sizes) as { Size: number; Shared: boolean }[])
      .filter(({ Shared }) => !Shared)
      .reduce((sum, { Size }) => sum + Size, 0);
    expect(left).toBeLessThanOrEqual(3_000_000);
  });

  test("history tells builds with their steps and errors, newest first", async () => {
    await build("FROM busybox\nRUN true", "-t", "told");
    await build("FROM busybox\nRUN false");
    const { stdout } = await daemon.gantry(
      "builder",
      "history",
      "--format",
      "{{.Status}} {{.Name}} {{.Steps}} {{.Error}}",
    );
    const [failed, done] = stdout.split("\n");
    expect(failed).toMatch(/^error - 2 \(\d cached\) .*returned a non-zero code: 1$/);
    expect(done).toMatch(/^completed told 2 \(1 cached\)/);
  });
});

test("a daemon that dies in mid-build leaves no endpoint of the step behind", async () => {
  await daemon.docker("network", "create", "n");
  using context = contextOf({ Dockerfile: "FROM busybox\nRUN echo begun && sleep 1000" });
  const client = spawn("docker", ["build", "--network", "n", context.path], {
    env: { ...process.env, DOCKER_HOST: daemon.host, DOCKER_BUILDKIT: "0" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(client, "close");
  for await (const chunk of client.stdout) if (/^begun$/m.test(String(chunk))) break;
  await daemon.kill9();
  client.kill("SIGKILL");
  await ended;
  await daemon.restart();
  using database = new DatabaseSync(join(daemon.folder, "data/gantry.db"), { readOnly: true });
  expect(database.prepare("SELECT count(*) AS count FROM endpoint").get()).toEqual({ count: 0 });
  expect((await daemon.docker("network", "rm", "n")).exitCode).toBe(0);
});

describe("owners", () => {
  test("WORKDIR makes folders of the stage's user, COPY --from keeps those of the other stage", async () => {
    const dockerfile = `
FROM busybox AS base
RUN echo 'app:x:7:8::/:/bin/sh' >>/etc/passwd && mkdir /made && touch /made/f && chown -R 3:4 /made
FROM base
WORKDIR /root-s
USER app
WORKDIR /apps/deep
USER 9
WORKDIR /nines
USER app:10
WORKDIR /tens
USER none
WORKDIR /nones
USER 0
COPY --from=base /made /copied
COPY --from=base --chown=5 /made/f /chowned
`;
    expect((await build(dockerfile, "-t", "owned")).exitCode).toBe(0);
    const places = ["/root-s", "/apps", "/apps/deep", "/nines", "/tens", "/nones", "/copied/f", "/chowned"];
    const { stdout } = await daemon.docker("run", "--rm", "owned", "stat", "-c", "%n %u:%g", ...places);
    expect(stdout.trim().split("\n")).toEqual([
      "/root-s 0:0",
      "/apps 7:8",
      "/apps/deep 7:8",
      "/nines 9:9",
      "/tens 7:10",
      "/nones 0:0",
      "/copied/f 3:4",
      "/chowned 5:5",
    ]);
  });
});

describe("checks", () => {
  const files = {
    Dockerfile: "FROM busybox\nCOPY left /\nENV P=$PAHT:/x",
    ".dockerignore": "left",
    left: "",
  };
  test("know the context and the images that are here", async () => {
    await daemon.docker("pull", "-q", "busybox");
    using context = contextOf(files);
    const { stdout, exitCode } = await daemon.gantry("build", "--check", context.path);
    expect(stdout).toContain('Attempting to Copy file "left" that is excluded by .dockerignore');
    expect(stdout).toContain("Usage of undefined variable '$PAHT' (did you mean $PATH?)");
    expect(exitCode).toBe(1);
  });

  test("follow BUILDKIT_DOCKERFILE_CHECK in place of the file's directive", async () => {
    using context = contextOf({ ...files, Dockerfile: `# check=error=true\n${files.Dockerfile}` });
    const skip = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"];
    const { stdout } = await daemon.gantry("build", "--check", ...skip, context.path);
    expect(stdout).toContain("no warnings found");
    const { stderr } = await daemon.gantry("build", context.path);
    expect(stderr).toContain("lint violation found for rules: CopyIgnoredFile, UndefinedVar");
  });
});
