import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { runProgram } from "../harness/program.ts";

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  daemon = await startDaemon();
  folder = mkdtempSync(join(tmpdir(), "gantry-commit-"));
  await daemon.gantry("pull", "-q", "busybox");
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await daemon?.[Symbol.asyncDispose]();
});

test.each(["docker", "gantry"] as const)("%s commits what a running container changed", async (client) => {
  const script = "echo new > /etc/new; rm /bin/vi; trap 'exit 0' TERM; echo ready; while :; do sleep 1; done";
  await daemon.docker("run", "-d", "--name", client, "-e", "KEPT=yes", "busybox", "sh", "-c", script);
  await daemon.untilLog(client, "ready");
  const image = `made-by-${client}:v1`;
  const made = await daemon[client](
    ...[
      "commit",
      "-a",
      "Jane",
      "-m",
      "a note",
      "-c",
      'CMD ["cat", "/etc/new"]',
      "-c",
      "ENV MORE=1",
      client,
      image,
    ],
  );
  expect(made).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) });
  expect((await daemon.docker("run", "--rm", image)).stdout).toBe("new\n");
  const gone = await daemon.docker("run", "--rm", image, "sh", "-c", "ls /bin/vi; echo $KEPT $MORE");
  expect(gone.stdout).toBe("yes 1\n");
  const seen = await daemon.docker(
    "inspect",
    "--format",
    "{{.Author}}|{{.Comment}}|{{len .RootFS.Layers}}",
    image,
  );
  expect(seen.stdout).toBe("Jane|a note|2\n");
  expect((await daemon.docker("inspect", "--format", "{{.State.Status}}", client)).stdout).toBe("running\n");
  await daemon.docker("rm", "-f", client);
});

test("a container that changed nothing commits to an image without a new layer", async () => {
  await daemon.docker("create", "--name", "idle", "busybox");
  await daemon.docker("commit", "idle", "same");
  const layers = await daemon.docker("inspect", "--format", "{{len .RootFS.Layers}}", "same", "busybox");
  expect(layers.stdout).toBe("1\n1\n");
});

test("an export is the container's files, the same bytes each time, and comes back by import", async () => {
  await daemon.docker("run", "--name", "changed", "busybox", "sh", "-c", "echo data > /data; rm /bin/vi");
  const files = [join(folder, "a.tar"), join(folder, "b.tar")];
  await daemon.docker("export", "-o", files[0] ?? "", "changed");
  await daemon.gantry("export", "-o", files[1] ?? "", "changed");
  expect((await runProgram("cmp", files)).exitCode).toBe(0);
  const listed = (await runProgram("tar", ["-tf", files[0] ?? ""])).stdout;
  expect(listed).toContain("data\n");
  expect(listed).not.toContain("bin/vi\n");
  expect(listed).not.toContain(".wh.");
  await daemon.docker("import", "-c", 'CMD ["cat", "/data"]', files[0] ?? "", "again:v1");
  expect((await daemon.docker("run", "--rm", "again:v1")).stdout).toBe("data\n");
});
