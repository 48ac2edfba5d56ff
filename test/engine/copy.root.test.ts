import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { GANTRY, startDaemon, type TestDaemon, testSinceDocker } from "../harness/index.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  folder = join(daemon.folder, "copies");
  mkdirSync(folder);
  await docker("create", "--name", "stopped", "-v", "kept:/data", "busybox", "true");
  await docker(
    "run",
    "-d",
    "--name",
    "running",
    "-v",
    "kept:/data",
    "--tmpfs",
    "/scratch",
    "busybox",
    "sleep",
    "600",
  );
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout;
}
const inside = (script: string) => docker("exec", "running", "sh", "-c", script);

describe("docker cp", () => {
  test("carries a file into a container that runs and one that does not, and out again", async () => {
    writeFileSync(join(folder, "note"), "hello\n");
    for (const container of ["running", "stopped"]) {
      await docker("cp", join(folder, "note"), `${container}:/tmp/`);
      await docker("cp", `${container}:/tmp/note`, join(folder, `back-${container}`));
      expect(readFileSync(join(folder, `back-${container}`), "utf8")).toBe("hello\n");
    }
    expect(await inside("cat /tmp/note")).toBe("hello\n");
  });

  test("sees volumes, and the tmpfs of a container that runs", async () => {
    await inside("echo v > /data/file; echo t > /scratch/file; ln -s /data/file /scratch/link");
    expect(await docker("cp", "stopped:/data/file", "-")).toContain("v\n");
    expect(await docker("cp", "running:/data/file", "-")).toContain("v\n");
    expect(await docker("cp", "running:/scratch/file", "-")).toContain("t\n");
    expect(await docker("cp", "-L", "running:/scratch/link", "-")).toContain("v\n");
    writeFileSync(join(folder, "in"), "in\n");
    await docker("cp", join(folder, "in"), "running:/scratch/");
    await docker("cp", join(folder, "in"), "stopped:/data/");
    expect(await inside("cat /scratch/in /data/in")).toBe("in\nin\n");
  });

  const terminal = { rows: 24, columns: 80 };
  testSinceDocker(23, "words about cp")(
    "is told on a terminal by Gantry's client as by Docker's",
    async () => {
      for (const words of [
        ["cp", join(folder, "note"), "running:/tmp/"],
        ["cp", "running:/tmp/note", join(folder, "told")],
        ["cp", "-q", "running:/tmp/note", join(folder, "told")],
      ]) {
        const theirs = await daemon.inTerminal(terminal, ...words);
        const ours = await daemon.inTerminal({ ...terminal, client: GANTRY }, ...words);
        // What is told on the way is taken back; an archive's size is that of its writer's headers as well.
        const settled = ({ stdout }: { stdout: string }) =>
          (stdout.split("\x1b[u\x1b[2K").at(-1) ?? "").replace(/copied \S+/, "copied");
        expect(settled(ours)).toBe(settled(theirs));
      }
    },
  );

  test("is told on a terminal while it goes on", async () => {
    const { stdout } = await daemon.inTerminal(
      { ...terminal, client: GANTRY },
      ...["cp", join(folder, "note"), "running:/tmp/"],
    );
    expect(stdout).toStartWith("\x1b[sPreparing to copy...");
  });

  test("that stands still does not keep a stopped container from others", async () => {
    await docker("create", "--name", "large", "busybox", "true");
    writeFileSync(join(folder, "zeros"), Buffer.alloc(32 << 20));
    await docker("cp", join(folder, "zeros"), "large:/zeros");
    await docker("create", "--name", "filled", "busybox", "true");
    const socketPath = daemon.host.slice("unix://".length);
    const out = request({ socketPath, path: "/containers/large/archive?path=/zeros" });
    out.end();
    // Nobody reads its body.
    const [content] = await once(out, "response");
    const into = request({ socketPath, method: "PUT", path: "/containers/filled/archive?path=/" });
    into.write(readFileSync(join(folder, "zeros")).subarray(0, 512));
    into.on("error", () => undefined);
    const answered = once(into, "response");
    const removed = await daemon.docker({ limitMs: 50_000 }, "rm", "large", "filled");
    expect(removed).toMatchObject({ exitCode: 0, stderr: "" });
    const [refused] = await answered;
    expect(refused.statusCode).toBe(409);
    expect(await text(refused)).toContain("stood still while another operation waited for container filled");
    into.destroy();
    await expect(text(content)).rejects.toThrow();
  }, 60_000);

  test("leaves out what the engine mounts", async () => {
    expect(await daemon.api("GET", "/containers/running/archive?path=/proc/cpuinfo")).toEqual({
      status: 404,
      body: expect.stringContaining("Could not find the file /proc/cpuinfo in container running"),
    });
    expect((await daemon.docker("cp", "running:/proc/cpuinfo", "-")).exitCode).toBe(1);
  });

  test("puts nothing into what is read-only", async () => {
    await docker(
      "create",
      "--name",
      "fixed",
      "--read-only",
      "-v",
      "kept:/data:ro",
      "busybox",
      "sleep",
      "600",
    );
    for (const start of [false, true]) {
      if (start) await docker("start", "fixed");
      const root = await daemon.docker("cp", join(folder, "note"), "fixed:/tmp/");
      expect(root.stderr).toContain("container rootfs is marked read-only");
      const volume = await daemon.docker("cp", join(folder, "note"), "fixed:/data/");
      expect(volume.stderr).toContain("mounted volume is marked read-only");
    }
    await docker("rm", "-f", "fixed");
  });

  test("is led out of the container by no link, whether it stands still or is exchanged meanwhile", async () => {
    writeFileSync(join(folder, "secret"), "of the host\n");
    await inside(`mkdir -p /trap${folder}; ln -s ../../../../../.. /up; ln -s ${folder} /way`);
    for (const path of [`/up${folder}/secret`, "/way/secret"]) {
      const { stdout, exitCode } = await daemon.docker("cp", "-L", `running:${path}`, "-");
      expect([stdout, exitCode]).toEqual(["", 1]);
      const { body } = await daemon.api("GET", `/containers/running/archive?path=${path}`);
      expect(body).toContain(`Could not find the file ${path}`);
    }
    const racing =
      "mkdir /a; while true; do ln -sfn / /b; mv -T /b /race; rm -f /race; mv -T /a /race; mv -T /race /a; done";
    await docker("exec", "-d", "running", "sh", "-c", racing);
    for (let round = 0; round < 20; round++) {
      await daemon.docker("cp", join(folder, "note"), `running:/race${folder}`);
      const { stdout } = await daemon.docker("cp", `running:/race${folder}/secret`, "-");
      expect(stdout).not.toContain("of the host");
    }
    expect(existsSync(join(folder, "copies"))).toBe(false);
    expect(readFileSync(join(folder, "note"), "utf8")).toBe("hello\n");
  });
});
