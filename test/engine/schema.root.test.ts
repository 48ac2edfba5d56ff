import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { compareWithSchema, type Description } from "./schema.ts";

/** Docker's own description of API 1.51 is not part of the sources; beside them, where it is at hand. */
const FILE = join(import.meta.dirname, "../../../shared/spec/docker-engine-api.yaml");

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await daemon.docker(
    "run",
    "-d",
    "--name",
    "subject",
    "-p",
    "80",
    "-v",
    "/data",
    "-m",
    "64m",
    "busybox",
    "sleep",
    "1d",
  );
  await daemon.docker("tag", "busybox", "example/subject:1");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** What the description has and the answers have not, and why. */
const KNOWN: readonly (readonly [reason: string, problem: RegExp])[] = [
  [
    "Docker leaves it out as well when it is empty (omitempty)",
    /^\.(Experimental|ProductLicense|DefaultAddressPools|DiscoveredDevices|Containerd|Variant|OsVersion|State\.Health) is missing$/,
  ],
  ["the same in what a container or an image was made with", /\.(Host)?Config\.\w+ is missing$/],
  ["the same in the state of a swarm", /^\.Swarm\.(Nodes|Managers|Cluster) is missing$/],
  ["the same of a runtime without arguments", /^\.Runtimes\.\w+\.(runtimeArgs|status) is missing$/],
  ["descriptors of manifests are those of Docker's containerd store", /(Descriptor|Manifests) is missing$/],
  ["it went with the option, in API 1.42", /KernelMemoryTCP is missing$/],
  ["Docker answers null where nothing was asked for", /\.HostConfig\.MemorySwappiness is null$/],
  [
    "an enum of one object, which means an empty one",
    /\.(ExposedPorts|Volumes)\..* is \{\}, which is not among/,
  ],
];

describe.skipIf(!existsSync(FILE))("answers are as Docker's description of API 1.51 says", () => {
  const description = Bun.YAML.parse(readFileSync(FILE, "utf8")) as Description;

  test.each([
    ["/version", "/version"],
    ["/info", "/info"],
    ["/containers/json", "/containers/json?all=1&size=1"],
    ["/containers/{id}/json", "/containers/subject/json?size=1"],
    ["/images/json", "/images/json?shared-size=1"],
    ["/images/{name}/json", "/images/busybox/json"],
    ["/images/{name}/history", "/images/busybox/history"],
    ["/events", "/events?since=1&until=UNTIL&filters=%7B%22container%22%3A%5B%22subject%22%5D%7D"],
  ])("GET %s", async (name, path) => {
    const schema = description.paths[name]?.get?.responses[200]?.schema;
    const { status, body } = await daemon.api("GET", path.replace("UNTIL", String(Date.now() / 1000)));
    expect(status).toBe(200);
    // Of a stream the first object.
    const first: unknown = JSON.parse(name === "/events" ? (body.split("\n")[0] ?? "") : body);
    const problems = compareWithSchema(description, schema ?? {}, first);
    expect(problems.filter((problem) => !KNOWN.some(([, known]) => known.test(problem)))).toEqual([]);
  });
});
