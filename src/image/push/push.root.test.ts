import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { FaultyRegistry } from "../../../test/registry/faulty-registry.ts";
import { digestOf } from "../../content/index.ts";
import { dockerArchive, never, openTestEngine, tarOf, textFile } from "../testing.ts";

let engine: Awaited<ReturnType<typeof openTestEngine>>;
let registry: FaultyRegistry;
beforeEach(async () => {
  engine = await openTestEngine();
  registry = await FaultyRegistry.start();
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  engine[Symbol.dispose]();
});

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const tar = (name: string, sizeBytes = 100_000) =>
  tarOf({ type: "directory", path: "etc" }, textFile(`etc/${name}`, randomBytes(sizeBytes)));

async function push(reference: string, options = {}, from = engine): Promise<string[]> {
  const pushing = from.images.push(`${registry.host}/${reference}`, { tag: "", ...options }, never);
  return (await Array.fromAsync(pushing)).map(({ status = "", id }) =>
    id === undefined ? status : `${id}: ${status}`,
  );
}
const pull = (reference: string, options = {}, into = engine) =>
  Array.fromAsync(into.images.pull(`${registry.host}/${reference}`, options, never));
const digestIn = (lines: string[]) => /digest: (sha256:\w+) size: \d+/.exec(lines.join("\n"))?.[1];
const stored = (name: string) => registry.manifests.get(name)?.bytes ?? Buffer.alloc(0);

/** An image of the engine's own, from an archive whose layers are not compressed. */
async function localImage(reference: string, layers: Buffer[]): Promise<void> {
  await engine.load(await dockerArchive({ layers, names: [`${registry.host}/${reference}`] }));
}

test("an image goes out once, with the same digest every time and from every engine, and comes back the same", async () => {
  const layers = [await tar("a"), await tar("b")];
  await localImage("app:v1", layers);
  const first = await push("app:v1");
  expect(first[0]).toBe(`The push refers to repository [${registry.host}/app]`);
  expect(first.filter((line) => line.endsWith(": Pushed"))).toHaveLength(2);
  const digest = digestIn(first);
  expect(`${digestOf(stored("app v1"))}`).toBe(digest ?? "");
  const again = await push("app:v1");
  expect(again.filter((line) => line.endsWith(": Layer already exists"))).toHaveLength(2);
  expect(digestIn(again)).toBe(digest);
  // The plain blobs of its layers, which are kept compressed now, are gone.
  expect((await engine.images.check(false, never)).Problems).toEqual([]);

  using other = await openTestEngine();
  await other.load(await dockerArchive({ layers, names: [`${registry.host}/app:v2`] }));
  expect(digestIn(await push("app:v2", {}, other))).toBe(digest);

  using third = await openTestEngine();
  await pull("app:v1", {}, third);
  const [before, after] = [engine, third].map(({ images }) => images.inspect(`${registry.host}/app:v1`));
  expect(after?.Id).toBe(before?.Id ?? "");
  expect(after?.RepoDigests).toEqual([`${registry.host}/app@${digest}`]);
  third.images.tag(after?.Id ?? "", `${registry.host}/elsewhere`, "v1");
  expect(digestIn(await push("elsewhere:v1", {}, third))).toBe(digest);
});

test("a repository without a tag pushes all of its tags, layers that they share once", async () => {
  const shared = await tar("shared");
  await localImage("app:v1", [shared]);
  await localImage("app:v2", [shared, await tar("more")]);
  const lines = await push("app");
  expect(lines.filter((line) => /^v[12]: digest/.test(line))).toHaveLength(2);
  expect(lines.filter((line) => line.endsWith(": Pushed"))).toHaveLength(2);
});

/** An index of images for two machines, in the registry. Gives its digest and those of its manifests. */
async function indexOfTwo(repository: string) {
  const entries = await Promise.all(
    ["amd64", "arm64"].map(async (architecture) => {
      const bytes = await tar(architecture);
      const layer = { bytes: gzipSync(bytes), diffId: digestOf(bytes) };
      const { digest } = registry.addImage(repository, architecture, [layer], { architecture });
      const size = stored(`${repository} ${digest}`).length;
      return { mediaType: OCI_MANIFEST, digest, size, platform: { os: "linux", architecture } };
    }),
  );
  const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries };
  const index = registry.addManifest(repository, "multi", document, OCI_INDEX);
  const [amd64 = "", arm64 = ""] = entries.map(({ digest }) => digest);
  return { index, amd64, arm64 };
}

/** Give what was pulled another repository, and the source away. */
function moveAway(from: string, to: string): void {
  engine.images.tag(`${registry.host}/${from}`, `${registry.host}/${to}`, "v1");
  for (const key of registry.manifests.keys()) if (key.startsWith("app ")) registry.manifests.delete(key);
  registry.blobs.clear();
  registry.linked.clear();
}

test("an index goes out whole when the images for all of its machines are here", async () => {
  const { index, amd64, arm64 } = await indexOfTwo("app");
  await pull("app:multi", { platform: "linux/arm64" });
  await pull("app:multi", { platform: "linux/amd64" });
  // The digest is its images' in the repository that it is pushed to as well.
  moveAway("app:multi", "copy");
  const lines = await push("copy:v1");
  expect(digestIn(lines)).toBe(index);
  expect(`${digestOf(stored("copy v1"))}`).toBe(index);
  for (const digest of [amd64, arm64]) expect(`${digestOf(stored(`copy ${digest}`))}`).toBe(digest);
  expect(registry.blobs.size).toBe(4);
});

test("without the other images the one that is here goes out, and that is said; with --platform silently", async () => {
  const { amd64 } = await indexOfTwo("app");
  await pull("app:multi");
  moveAway("app:multi", "copy");
  const lines = await push("copy:v1");
  expect(digestIn(lines)).toBe(amd64);
  expect(lines.join()).toContain("Not all multiplatform-content is present");
  const one = await push("copy:v1", { platform: "linux/amd64" });
  expect(digestIn(one)).toBe(amd64);
  expect(one.join()).not.toContain("multiplatform");
  await expect(push("copy:v1", { platform: "linux/arm64" })).rejects.toThrow(
    "does not provide the specified platform",
  );
});

/** An index of these manifests of the repository, and of what is said of the first, in BuildKit's form. */
function attestedIndexOf(repository: string, manifests: readonly string[]) {
  const entryOf = (digest: string, more = {}) => {
    const size = stored(`${repository} ${digest}`).length;
    return { mediaType: OCI_MANIFEST, digest, size, ...more };
  };
  const statement = Buffer.from('{"_type":"https://in-toto.io/Statement/v0.1"}');
  const config = Buffer.from('{"architecture":"unknown","os":"unknown"}');
  const said = registry.addManifest(
    repository,
    "said",
    {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: registry.addBlob(config),
        size: config.length,
      },
      layers: [
        {
          mediaType: "application/vnd.in-toto+json",
          digest: registry.addBlob(statement),
          size: statement.length,
        },
      ],
    },
    OCI_MANIFEST,
  );
  const attests = {
    "vnd.docker.reference.type": "attestation-manifest",
    "vnd.docker.reference.digest": manifests[0],
  };
  const entries = [
    ...manifests.map((digest, at) =>
      entryOf(digest, { platform: { os: "linux", architecture: ["amd64", "arm64"][at] } }),
    ),
    entryOf(said, { platform: { os: "unknown", architecture: "unknown" }, annotations: attests }),
  ];
  const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries };
  const index = registry.addManifest(repository, "attested", document, OCI_INDEX);
  return { index, said, statement: digestOf(statement) };
}

test("what is said of an image goes along: in the same index, or in one of its own when other machines' are missing", async () => {
  const { amd64 } = await indexOfTwo("app");
  const { index, said, statement } = attestedIndexOf("app", [amd64]);
  await pull("app:attested");
  moveAway("app:attested", "copy");
  expect(digestIn(await push("copy:v1"))).toBe(index);
  expect(`${digestOf(stored(`copy ${said}`))}`).toBe(said);
  expect(registry.blobs.has(statement)).toBe(true);

  registry.manifests.clear();
  const two = await indexOfTwo("both");
  const both = attestedIndexOf("both", [two.amd64, two.arm64]);
  await pull("both:attested");
  moveAway("both:attested", "part");
  const lines = await push("part:v1");
  expect(lines.join()).toContain("Not all multiplatform-content is present");
  const { manifests } = JSON.parse(stored("part v1").toString("utf8"));
  expect(manifests.map(({ digest }: { digest: string }) => digest)).toEqual([two.amd64, both.said]);
});

test("statements that are not what their digests say fail the pull", async () => {
  const { amd64 } = await indexOfTwo("app");
  const { statement } = attestedIndexOf("app", [amd64]);
  registry.blobs.set(statement, Buffer.from('{"_type":"https://in-toto.io/Statement/v0.2"}'));
  await expect(pull("app:attested")).rejects.toThrow("verif");
});

test("a registry that dies in the middle of an upload fails the push; the next one goes through", async () => {
  // Larger than what goes in one request.
  await localImage("app:v1", [await tar("large", 6 << 20)]);
  const before = engine.trace();
  registry.fault = (request) => {
    if (request.method !== "PATCH") return false;
    request.once("data", () => request.destroy());
    return true;
  };
  await expect(push("app:v1")).rejects.toMatchObject({ kind: "unavailable" });
  expect(registry.manifests.size).toBe(0);
  expect(engine.trace()).toMatchObject({ ingests: 0, images: before.images, snapshots: before.snapshots });
  registry.fault = () => false;
  expect(digestIn(await push("app:v1"))).toBe(`${digestOf(stored("app v1"))}`);
});

test.each([
  [507, "UNKNOWN", "the registry's disk is full"],
  [403, "DENIED", "requested access to the resource is denied"],
  [400, "DIGEST_INVALID", "provided digest did not match uploaded content"],
])(
  "a registry that answers an upload with %i is told, and nothing is tagged there",
  async (status, code, words) => {
    await localImage("app:v1", [await tar("a")]);
    registry.fault = (request, response) => {
      if (request.method !== "PUT") return false;
      request.resume();
      registry.refuse(response, status, code, words);
      return true;
    };
    await expect(push("app:v1")).rejects.toThrow(words);
    expect(registry.manifests.size).toBe(0);
    registry.fault = () => false;
    await push("app:v1");
  },
);

test("a push that is cancelled ends, and the next one goes through", async () => {
  await localImage("app:v1", [await tar("large", 6 << 20)]);
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  registry.fault = (request) => {
    if (request.method !== "PATCH") return false;
    request.once("data", () => reach());
    return true;
  };
  const abort = new AbortController();
  const pushing = Array.fromAsync(engine.images.push(`${registry.host}/app:v1`, { tag: "" }, abort.signal));
  await reached;
  abort.abort();
  await expect(pushing).rejects.toThrow("the push was cancelled");
  registry.fault = () => false;
  await push("app:v1");
});
