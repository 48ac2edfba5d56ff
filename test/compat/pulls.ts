import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { digestOf } from "../../src/content/index.ts";
import { tarOf, textFile } from "../../src/image/testing.ts";
import { type Engine, succeed } from "../harness/index.ts";
import { DockerRegistry } from "../registry/docker-registry.ts";
import { FaultyRegistry } from "../registry/faulty-registry.ts";
import { onLoopbackOf } from "../registry/on-loopback-of.ts";
import type { Pair } from "./pair.ts";
import { wordsOf } from "./words.ts";

async function layer(name: string, sizeBytes = 100_000) {
  const tar = await tarOf(
    { type: "directory", path: "etc" },
    textFile(`etc/${name}`, randomBytes(sizeBytes)),
  );
  return { bytes: gzipSync(tar), diffId: digestOf(tar) };
}

/** Both engines at the same registries: the same lines, up to the order in which layers that go side by side have their turn. */
export function describePulls(pair: () => Pair): void {
  const stack = new AsyncDisposableStack();
  /** In memory, and broken where a test wants it. */
  let registry: FaultyRegistry;
  /** It asks for a password. */
  let locked: FaultyRegistry;
  /** Debian's. */
  let real: DockerRegistry;

  beforeAll(async () => {
    const started = [
      await FaultyRegistry.start(),
      await FaultyRegistry.start({ auth: "basic" }),
      await DockerRegistry.start(),
    ] as const;
    [registry, locked, real] = started;
    for (const one of started) {
      stack.use(one);
      stack.use(await onLoopbackOf(pair().docker.pid, one.host));
    }
    const layers = await Promise.all(["1", "2", "3", "4", "5"].map((name) => layer(name)));
    registry.addImage("team/app", "v1", layers);
    registry.addImage("team/app", "v2", [...layers, await layer("6")]);
    const { digest } = registry.addImage("team/arm", "v1", layers, { architecture: "arm64" });
    const entry = {
      mediaType: OCI_MANIFEST,
      digest,
      size: 1,
      platform: { os: "linux", architecture: "arm64" },
    };
    registry.addManifest("team/arm", "list", { schemaVersion: 2, manifests: [entry] }, OCI_INDEX);
    const root = await tarOf(textFile("file", randomBytes(200_000)));
    registry.fault = (_request, response, path) => {
      if (path !== "/root.tar") return false;
      response.writeHead(200, { "content-length": root.length }).end(root);
      return true;
    };
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  const places = (line: string) =>
    wordsOf(
      line
        .replaceAll("MEMORY", registry.host)
        .replaceAll("LOCKED", locked.host)
        .replaceAll("REAL", real.host),
    );
  const run = async (engine: Engine, line: string) => {
    const { stdout, stderr, exitCode } = await engine.docker(...places(line));
    return normal(`${stdout}${stderr}exit code ${exitCode}`);
  };
  async function same(...lines: string[]): Promise<void> {
    const { docker, gantry } = pair();
    for (const line of lines) {
      const [theirs, ours] = await Promise.all([run(docker, line), run(gantry, line)]);
      expect([line, ...ours]).toEqual([line, ...theirs]);
    }
  }

  describe("pulls and pushes, line by line", () => {
    test(
      "an image that is new, that is here, and that shares layers",
      () =>
        same(
          "pull MEMORY/team/app:v1",
          "pull MEMORY/team/app:v1",
          "pull -q MEMORY/team/app:v1",
          "pull MEMORY/team/app:v2",
          "pull -a MEMORY/team/app",
          "rmi MEMORY/team/app:v1 MEMORY/team/app:v2",
          "pull -a MEMORY/team/app",
        ),
      60_000,
    );

    test(
      "for another machine, and for none that there is",
      () =>
        same(
          "pull --platform linux/arm64 MEMORY/team/arm:v1",
          "pull MEMORY/team/arm:list",
          "pull --platform linux/s390x MEMORY/team/arm:list",
          "pull --platform a/b/c/d MEMORY/team/arm:v1",
        ),
      60_000,
    );

    test(
      "what is not there, cannot be reached or must not be had",
      () =>
        same(
          "pull REAL/nope:v1",
          `pull REAL/nope@sha256:${"a".repeat(64)}`,
          "pull -a REAL/nope",
          "pull LOCKED/nope:v1",
          "pull 127.0.0.1:1/nope:v1",
          "pull -a MEMORY/team/app:v1",
          "pull MEMORY/Team/app",
          "pull MEMORY/team/app:v1:v2",
          "run --rm REAL/nope:v1 true",
        ),
      60_000,
    );

    test(
      "a push: new, there already, from another repository, of nothing, to nobody",
      () =>
        same(
          "tag busybox REAL/team/busybox:v1",
          "push REAL/team/busybox:v1",
          "push REAL/team/busybox:v1",
          "tag busybox REAL/other/busybox:v1",
          "push REAL/other/busybox:v1",
          "tag busybox REAL/other/busybox:v2",
          "push -a REAL/other/busybox",
          "push REAL/other/nope:v1",
          "push REAL/other/busybox:v3",
          "tag busybox LOCKED/busybox:v1",
          "push LOCKED/busybox:v1",
          "tag busybox 127.0.0.1:1/busybox:v1",
          "push 127.0.0.1:1/busybox:v1",
        ),
      60_000,
    );

    test("an import that the daemon fetches, also for Gantry's own client", async () => {
      await same(
        "import -c 'EXPOSE 80' http://MEMORY/root.tar web:1",
        "history --format {{.Comment}} web:1",
        "inspect -f {{.Config.ExposedPorts}}{{.Os}}{{.Architecture}} web:1",
        "import http://MEMORY/nope.tar web:2",
        "import http://127.0.0.1:1/root.tar web:2",
        "import -c 'FROM x' http://MEMORY/root.tar web:2",
      );
      const { stdout, exitCode } = await pair().gantry.gantry(
        ...places("import http://MEMORY/root.tar web:own"),
      );
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/^Downloading from http:\S+\nsha256:[0-9a-f]{64}\n$/);
    }, 60_000);
  });

  test("the messages of a pull have the same fields, and say the same of each layer", async () => {
    const { docker, gantry } = pair();
    await Promise.all(
      [docker, gantry].map((engine) => succeed(engine, "rmi", ...places("MEMORY/team/app:v2"))),
    );
    const query = `fromImage=${registry.host}/team/app&tag=v2`;
    for (const path of [`/images/create?${query}`, `/images/create?${query}`]) {
      const [theirs, ours] = await Promise.all([docker, gantry].map((engine) => post(engine, path)));
      expect(ours).toEqual(theirs as Answer);
    }
  }, 60_000);
}

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

/** Docker tells of a layer's state only what is the newest when it looks, so these may be passed over. */
const FLEETING = ["Waiting", "Downloading", "Verifying Checksum", "Download complete", "Extracting"];

/** Lines that are no layer's in their order, then those of each layer in theirs. */
function normal(output: string): string[] {
  const lines = output
    .replaceAll("\r", "")
    // Docker asks for the head of a manifest first; of a push it leaves out what it asked.
    .replace(/Head "/g, 'Get "')
    .replace(/^.*(no basic auth credentials)$/gm, "$1")
    // A push of Docker's writes a manifest of its own; ids of imports tell the time.
    .replace(/digest: sha256:[0-9a-f]{64} size: \d+/g, "digest: DIGEST")
    .replace(/^(Digest|Untagged|Deleted): .*sha256:.*$|^sha256:[0-9a-f]{64}$/gm, "$1 DIGEST")
    .split("\n")
    .filter((line) => !FLEETING.some((status) => line.endsWith(`: ${status}`)));
  const isLayer = (line: string) => /^[0-9a-f]{12}: /.test(line);
  return [
    ...lines.filter((line) => !isLayer(line)),
    ...lines.filter(isLayer).toSorted((a, b) => (a.slice(0, 12) < b.slice(0, 12) ? -1 : 1)),
  ];
}

interface Answer {
  readonly status: number | undefined;
  readonly lines: readonly string[];
}

/** The messages of a stream, each as its fields and status, in the order of `normal`. */
async function post(engine: Engine, path: string): Promise<Answer> {
  const outgoing = request({ socketPath: engine.host.slice("unix://".length), method: "POST", path });
  outgoing.end();
  const [response]: IncomingMessage[] = await once(outgoing, "response");
  if (response === undefined) throw new Error(`no answer to ${path}`);
  const body = await text(response);
  expect(body).toEndWith("\r\n");
  const messages = body
    .trimEnd()
    .split("\r\n")
    .map((line): Record<string, string> => JSON.parse(line));
  const lines = messages
    .filter(({ status = "" }) => !FLEETING.includes(status))
    .map((message) => `${message.id ?? "-"}: ${Object.keys(message).join()} ${message.status}`);
  return { status: response.statusCode, lines: normal(lines.join("\n")) };
}
