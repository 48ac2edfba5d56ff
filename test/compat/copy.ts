import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Finished, runProgram, succeed } from "../harness/index.ts";
import type { Pair } from "./pair.ts";

/** What there is to copy and what a copy can meet, the same on both sides. */
const TREE = `
echo file > file; mkdir -p dir/sub empty; echo a > dir/a; echo b > dir/sub/b; chmod 750 dir/sub; chmod 600 dir/a
ln -s file link; ln -s dir dirlink; ln -s nowhere dangling; ln dir/a dir/hard; mkfifo fifo`;

const SOURCES = ["file", "dir", "dir/.", "dirlink", "missing"];
const DESTINATIONS = ["file", "dir/", "new", "new/", "link", "none/new"];
const CASES = [
  ...SOURCES.flatMap((source) => DESTINATIONS.map((destination) => ({ source, destination }))),
  { source: "file/", destination: "new" },
  { source: "dir/", destination: "dirlink" },
  { source: "dirlink/", destination: "new" },
  { source: "dangling", destination: "dir" },
];

const LISTING = `
find . -exec stat -c '%a %u:%g %F %h %N' {} + | sort
find . -type f -exec md5sum {} + | sort`;

interface Client {
  readonly name: string;
  readonly container: string;
  readonly folder: string;
  run(...args: string[]): Promise<Finished>;
}

interface Outcome {
  readonly exitCode: number;
  readonly stderr: string;
}

/** Compare what copies do, through docker's own client with both engines and through Gantry's. */
export function describeCopy(running: () => Pair): void {
  describe("files copied", () => {
    const clients: Client[] = [];
    beforeAll(async () => {
      const { docker, gantry, folder } = running();
      clients.push(
        client("dockerd", (...args) => docker.docker(...args)),
        client("gantry", (...args) => gantry.docker(...args)),
        client("gantry-cli", (...args) => gantry.gantry(...args)),
      );
      function client(name: string, run: Client["run"]): Client {
        return { name, container: `copy-${name}`, folder: join(folder, `copy-${name}`), run };
      }
      const script = (where: string) =>
        `umask 022; cd ${where}; mkdir from w; cd from; ${TREE}
        n=0; while [ $n -lt ${CASES.length} ]; do cp -a ${where}/from ${where}/w/$n; n=$((n + 1)); done`;
      for (const { name, container, folder: here } of clients) {
        const engine = name === "dockerd" ? docker : gantry;
        await succeed(engine, "run", "-d", "--name", container, "busybox", "sleep", "600");
        await succeed(engine, "exec", container, "sh", "-ec", `mkdir -p /srv; ${script("/srv")}`);
        mkdirSync(here);
        const made = await runProgram("sh", ["-ec", script(here)]);
        if (made.exitCode !== 0) throw new Error(made.stderr);
      }
    }, 60_000);
    afterAll(async () => {
      const { gantry } = running();
      await gantry.docker("rm", "-f", "copy-gantry", "copy-gantry-cli");
    });

    test("into a container, whatever source and destination are", async () => {
      const [theirs, ...ours] = await Promise.all(
        clients.map((client) =>
          outcomes(client, ({ source, destination }, at) => [
            `${client.folder}/from/${source}`,
            `${client.container}:/srv/w/${at}/${destination}`,
          ]),
        ),
      );
      for (const mine of ours) expect(mine).toEqual(theirs ?? {});
      const listings = await Promise.all(
        clients.map(async ({ run, container }) =>
          (await run("exec", "-w", "/srv/w", container, "sh", "-c", LISTING)).stdout.split("\n"),
        ),
      );
      for (const listing of listings.slice(1)) expect(listing).toEqual(listings[0] ?? []);
    }, 120_000);

    test("out of a container, whatever source and destination are", async () => {
      const [theirs, ...ours] = await Promise.all(
        clients.map((client) =>
          outcomes(client, ({ source, destination }, at) => [
            `${client.container}:/srv/from/${source}`,
            `${client.folder}/w/${at}/${destination}`,
          ]),
        ),
      );
      for (const mine of ours) expect(mine).toEqual(theirs ?? {});
      const listings = await Promise.all(
        clients.map(async ({ folder }) =>
          (await runProgram("sh", ["-c", `cd ${folder}/w; ${LISTING}`])).stdout.split("\n"),
        ),
      );
      for (const listing of listings.slice(1)) expect(listing).toEqual(listings[0] ?? []);
    }, 120_000);

    test("what has changed is told alike", async () => {
      const script = `mkdir /a /a/b; echo x > /a/b/c; rm -r /var/spool; echo y >> /etc/passwd; chmod 700 /home
        rm /bin/sh; mkdir /bin/sh; echo z > /bin/sh/z`;
      const { docker, gantry } = running();
      const told = await Promise.all(
        [docker, gantry].map(async (engine) => {
          await engine.docker("run", "--name", "changed", "busybox", "sh", "-c", script);
          return (await succeed(engine, "diff", "changed")).split("\n").sort();
        }),
      );
      expect(told[1]).toEqual(told[0] ?? []);
      expect((await gantry.gantry("diff", "changed")).stdout.split("\n").sort()).toEqual(told[0] ?? []);
      await gantry.docker("rm", "changed");
    }, 60_000);
  });
}

/** Run all cases, some at a time; what is each engine's own (folders, mount points) is taken out of the words. */
async function outcomes(
  client: Client,
  argumentsOf: (item: (typeof CASES)[number], at: number) => [string, string],
): Promise<Record<string, Outcome>> {
  const found: Record<string, Outcome> = {};
  for (const [at, item] of CASES.entries()) {
    const { exitCode, stderr } = await client.run("cp", ...argumentsOf(item, at));
    const words = stderr
      .replaceAll(/^time=.*\n/gm, "")
      // An older client of Docker has words of its own for this answer.
      .replace(
        /^Error: No such container:path: ([^:]+):(.*)$/m,
        "Error response from daemon: Could not find the file $2 in container $1",
      )
      .replaceAll(client.folder, "HERE")
      .replaceAll(client.container, "CONTAINER")
      .replaceAll(/\/[^ ]*\/(overlay2|vfs\/dir)\/[0-9a-f]+(\/merged)?/g, "");
    found[`${item.source} to ${item.destination}`] = { exitCode, stderr: words };
  }
  return found;
}
