import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cutAfter, FaultyRegistry, USER } from "../../../test/registry/faulty-registry.ts";
import { digestOf } from "../../content/index.ts";
import { RegistryNetwork } from "../../registry/index.ts";
import type { ProgressMessage } from "../../wire/index.ts";
import { bombOf, never, openTestEngine, tarOf, textFile } from "../testing.ts";

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

const EMPTY = { blobs: 0, ingests: 0, snapshots: 0, images: 0 };
/** A layer that does not compress, so that a connection can be cut in its middle. */
async function layer(name: string, sizeBytes = 400_000) {
  const tar = await tarOf(
    { type: "directory", path: "etc" },
    textFile(`etc/${name}`, randomBytes(sizeBytes)),
  );
  return { bytes: gzipSync(tar), diffId: digestOf(tar) };
}
const pull = (reference: string, options = {}, signal = never): Promise<ProgressMessage[]> =>
  Array.fromAsync(engine.images.pull(`${registry.host}/${reference}`, options, signal));
const linesOf = (messages: ProgressMessage[]) =>
  messages.map(({ status, id }) => (id === undefined ? status : `${id}: ${status}`));
const chainOf = (name: string) => engine.images.layersOf(engine.images.inspect(name).Id)?.layers ?? [];

test("an image is pulled: layers in their order, blobs kept, names and digests written", async () => {
  const layers = [await layer("a"), await layer("b"), await layer("c")];
  const image = registry.addImage("team/app", "v1", layers);
  const lines = linesOf(await pull("team/app:v1"));
  expect(lines[0]).toBe("v1: Pulling from team/app");
  expect(lines.slice(-2)).toEqual([
    `Digest: ${image.digest}`,
    `Status: Downloaded newer image for ${registry.host}/team/app:v1`,
  ]);
  for (const digest of image.layers) {
    const id = digest.slice(7, 19);
    const said = [...new Set(lines.filter((line) => line?.startsWith(id)).map((line) => line?.slice(14)))];
    expect(said).toEqual([
      "Pulling fs layer",
      "Downloading",
      "Verifying Checksum",
      "Download complete",
      "Extracting",
      "Pull complete",
    ]);
  }
  const inspected = engine.images.inspect(`${registry.host}/team/app:v1`);
  expect(inspected.Id).toBe(image.id);
  expect(inspected.RepoDigests).toEqual([`${registry.host}/team/app@${image.digest}`]);
  expect(engine.images.inspect(`${registry.host}/team/app@${image.digest}`).Id).toBe(image.id);
  expect(engine.trace()).toEqual({ blobs: 5, ingests: 0, snapshots: 3, images: 1 });
  const top = chainOf(image.id).at(-1)?.chainId ?? "";
  expect(readFileSync(join(engine.snapshotter.findLayer(top)?.folder ?? "", "etc/c")).length).toBe(400_000);
  expect(linesOf(await pull("team/app:v1")).at(-1)).toContain("Image is up to date for");
});

test("layers beyond those that are downloaded at a time wait, the lowest first", async () => {
  const layers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => layer(name)));
  const image = registry.addImage("app", "v1", layers);
  const waiting = linesOf(await pull("app:v1")).filter((line) => line?.endsWith(": Waiting"));
  expect(waiting).toEqual(image.layers.slice(3).map((digest) => `${digest.slice(7, 19)}: Waiting`));
});

test("a layer without its parents' folders is unpacked in its turn", async () => {
  const tar = await tarOf(textFile("etc/alone", "x"));
  registry.addImage("app", "v1", [await layer("a"), { bytes: gzipSync(tar), diffId: digestOf(tar) }]);
  await pull("app:v1");
  expect(engine.trace().snapshots).toBe(2);
});

test("what is here already is not downloaded again", async () => {
  const shared = await layer("shared");
  registry.addImage("app", "v1", [shared, await layer("one")]);
  registry.addImage("app", "v2", [shared, await layer("two")]);
  await pull("app:v1");
  const lines = linesOf(await pull("app:v2"));
  expect(lines).toContain(`${digestOf(shared.bytes).slice(7, 19)}: Already exists`);
  expect(registry.count(digestOf(shared.bytes))).toBe(1);
});

test("of an index the image for this machine is taken, of --platform the one asked for", async () => {
  const platforms = ["amd64", "arm64"].map(async (architecture) => {
    const { digest, id } = registry.addImage("app", architecture, [await layer(architecture)], {
      architecture,
    });
    const size = registry.manifests.get(`app ${digest}`)?.bytes.length ?? 0;
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    return { id, entry: { mediaType, digest, size, platform: { os: "linux", architecture } } };
  });
  const images = await Promise.all(platforms);
  const index = { schemaVersion: 2, manifests: images.map(({ entry }) => entry) };
  const digest = registry.addManifest("app", "multi", index, "application/vnd.oci.image.index.v1+json");
  await pull("app:multi");
  expect(engine.images.inspect(`${registry.host}/app:multi`).Id).toBe(images[0]?.id ?? "");
  expect(engine.images.inspect(`${registry.host}/app@${digest}`).Id).toBe(images[0]?.id ?? "");
  await pull("app:multi", { platform: "linux/arm64" });
  expect(engine.images.inspect(`${registry.host}/app:multi`).Architecture).toBe("arm64");
  await expect(pull("app:multi", { platform: "linux/s390x" })).rejects.toThrow(
    "no matching manifest for linux/s390x in the manifest list entries",
  );
  await expect(pull("app:amd64", { platform: "linux/arm64" })).rejects.toThrow(
    "does not match the specified platform",
  );
});

test("a foreign layer comes from its own address and is not pushed; the manifest stays as it is", async () => {
  const foreign = await layer("foreign");
  await using elsewhere = await FaultyRegistry.start();
  elsewhere.fault = (_request, response, path) => {
    if (path === "/layer") response.writeHead(200).end(foreign.bytes);
    return path === "/layer";
  };
  const { digest, id } = registry.addImage("app", "v1", [await layer("own"), foreign]);
  const { bytes } = registry.manifests.get(`app ${digest}`) ?? { bytes: Buffer.alloc(0) };
  const manifest = JSON.parse(bytes.toString("utf8"));
  const address = `http://${elsewhere.host}/layer`;
  Object.assign(manifest.layers[1], {
    mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    urls: [address],
  });
  const named = registry.addManifest("app", "foreign", manifest, manifest.mediaType);
  registry.blobs.delete(digestOf(foreign.bytes));
  await pull("app:foreign");
  expect(engine.images.inspect(`${registry.host}/app:foreign`).Id).toBe(id);
  expect(elsewhere.requests.map(({ line, authorization }) => [line, authorization])).toEqual([
    ["GET /layer", undefined],
  ]);
  engine.images.tag(id, `${registry.host}/copy`, "v1");
  const pushing = engine.images.push(`${registry.host}/copy:v1`, { tag: "" }, never);
  const pushed = linesOf(await Array.fromAsync(pushing));
  expect(pushed).toContain(`${foreign.diffId.slice(7, 19)}: Skipped foreign layer`);
  expect(registry.blobs.has(digestOf(foreign.bytes))).toBe(false);
  expect(`${digestOf(registry.manifests.get("copy v1")?.bytes ?? "")}`).toBe(named);
});

test("all tags of a repository are pulled, and what is no image among them is passed over", async () => {
  registry.addImage("app", "v1", [await layer("one")]);
  registry.addImage("app", "v2", [await layer("two")]);
  const chart = {
    schemaVersion: 2,
    config: { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: digestOf(""), size: 0 },
    layers: [],
  };
  registry.addManifest("app", "chart", chart, "application/vnd.oci.image.manifest.v1+json");
  const lines = linesOf(await pull("app", { allTags: true }));
  expect(lines.filter((line) => line?.startsWith("Status:"))).toEqual([
    `Status: Downloaded newer image for ${registry.host}/app`,
  ]);
  expect(lines.some((line) => line?.includes("this is an artifact, not an image"))).toBe(true);
});

test("two pulls at once share each download", async () => {
  const layers = [await layer("a"), await layer("b")];
  const image = registry.addImage("app", "v1", layers);
  registry.addImage("app", "v2", [...layers, await layer("c")]);
  await Promise.all([pull("app:v1"), pull("app:v2"), pull("app:v1")]);
  for (const digest of image.layers) expect(registry.count(`GET /v2/app/blobs/${digest}`)).toBe(1);
  expect(engine.trace()).toEqual({ blobs: 7, ingests: 0, snapshots: 3, images: 2 });
});

/** Blobs stop in their middle until the test lets them go on. */
function holdBlobs() {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  registry.fault = async (request, response, path) => {
    const bytes = registry.blobs.get(path.split("/").at(-1) ?? "");
    if (bytes === undefined || bytes.length < 100_000 || request.headers.range !== undefined) return false;
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, 100_000));
    reach();
    await released;
    response.end(bytes.subarray(100_000));
    return true;
  };
  return { reached, release };
}

test("a pull that is cancelled leaves nothing but the part it had, and the next one goes on from there", async () => {
  const image = registry.addImage("app", "v1", [await layer("a")]);
  const held = holdBlobs();
  const abort = new AbortController();
  const pulling = pull("app:v1", {}, abort.signal);
  await held.reached;
  // The part counts once it is on its way into the store.
  const partial = async () => (await engine.content.partials())[0]?.sizeBytes;
  abort.abort();
  await expect(pulling).rejects.toThrow("the pull was cancelled");
  held.release();
  expect({ ...engine.trace(), ingests: 0 }).toEqual({ ...EMPTY, blobs: 0 });
  const kept = (await partial()) ?? 0;
  registry.requests.length = 0;
  await pull("app:v1");
  const [asked] = registry.requests.filter(({ line }) => line.includes(image.layers[0] ?? ""));
  if (kept > 0)
    expect(asked?.range).toBe(
      `bytes=${kept}-${(registry.blobs.get(image.layers[0] ?? "")?.length ?? 0) - 1}`,
    );
  expect(engine.trace()).toEqual({ blobs: 3, ingests: 0, snapshots: 1, images: 1 });
});

test("a download goes on for the others when one of those who wait for it goes away", async () => {
  const image = registry.addImage("app", "v1", [await layer("a")]);
  const held = holdBlobs();
  const abort = new AbortController();
  const first = pull("app:v1", {}, abort.signal);
  await held.reached;
  const second = engine.images.pull(`${registry.host}/app:v1`, {}, never)[Symbol.asyncIterator]();
  for (
    let next = await second.next();
    !next.value.status.startsWith("Downloading");
    next = await second.next()
  );
  abort.abort();
  await expect(first).rejects.toThrow("cancelled");
  held.release();
  while (!(await second.next()).done);
  expect(registry.count(`GET /v2/app/blobs/${image.layers[0]}`)).toBe(1);
  expect(engine.trace().images).toBe(1);
});

test("a registry that dies in the middle fails the pull; what was had is not downloaded again", async () => {
  const image = registry.addImage("app", "v1", [await layer("a"), await layer("b")]);
  const [first = "", second = ""] = image.layers;
  let seen = 0;
  registry.fault = (_request, response, path) => {
    if (!path.endsWith(second)) return false;
    if (seen++ === 0) return cutAfter(response, registry.blobs.get(second) ?? Buffer.alloc(0), 150_000);
    response.destroy();
    return true;
  };
  await expect(pull("app:v1")).rejects.toMatchObject({ kind: "unavailable" });
  expect(engine.trace()).toMatchObject({ snapshots: 0, images: 0 });
  registry.fault = () => false;
  registry.requests.length = 0;
  await pull("app:v1");
  expect(registry.count(`GET /v2/app/blobs/${first}`)).toBe(0);
  const [again] = registry.requests.filter(({ line }) => line.includes(second));
  expect(again?.range).toMatch(/^bytes=[1-9]/);
  expect(engine.trace()).toEqual({ blobs: 4, ingests: 0, snapshots: 2, images: 1 });
});

const artifact = () => ({ mediaType: "application/vnd.acme.config+json", digest: digestOf(""), size: 0 });

test("an account that is wrong is refused without a question for another one; the right one is let in", async () => {
  for (const auth of ["basic", "bearer"] as const) {
    await using locked = await FaultyRegistry.start({ auth });
    locked.addImage("app", "v1", [await layer("a")]);
    const attempt = (credentials: typeof USER) =>
      Array.fromAsync(engine.images.pull(`${locked.host}/app:v1`, { credentials }, never));
    await expect(attempt({ ...USER, password: "wrong" })).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("unauthorized: "),
    });
    await attempt(USER);
  }
});

describe("what is wrong is refused, leaves nothing, and does not stand in the way of the next attempt", () => {
  const cases: [string, (digest: string) => void, string][] = [
    [
      "a blob with another digest",
      (digest) => flip(digest),
      "filesystem layer verification failed for digest sha256:",
    ],
    [
      "a blob that goes on",
      (digest) => registry.blobs.set(digest, Buffer.concat([blob(digest), Buffer.alloc(9)])),
      "goes on after",
    ],
    ["a missing layer", (digest) => registry.blobs.delete(digest), "unknown blob"],
  ];
  const blob = (digest: string) => registry.blobs.get(digest) ?? Buffer.alloc(0);
  const flip = (digest: string) => {
    const bytes = Buffer.from(blob(digest));
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    registry.blobs.set(digest, bytes);
  };
  test.each(cases)("%s", async (_name, harm, message) => {
    const image = registry.addImage("app", "v1", [await layer("a"), await layer("b")]);
    const [, digest = ""] = image.layers;
    const right = blob(digest);
    harm(digest);
    await expect(pull("app:v1")).rejects.toThrow(message);
    // A part of the layer beside it may be kept: it is right as far as it goes.
    expect({ ...engine.trace(), ingests: 0 }).toEqual(EMPTY);
    registry.blobs.set(digest, right);
    await pull("app:v1");
    expect(engine.trace()).toEqual({ blobs: 4, ingests: 0, snapshots: 2, images: 1 });
  });

  test("a blob that ends early, of which the rest is had later", async () => {
    const image = registry.addImage("app", "v1", [await layer("a"), await layer("b")]);
    const [, digest = ""] = image.layers;
    const right = blob(digest);
    registry.blobs.set(digest, right.subarray(0, 100_000));
    await expect(pull("app:v1")).rejects.toThrow(
      `ends after 100000 of ${right.length} bytes: unexpected EOF`,
    );
    expect(engine.trace()).toMatchObject({ snapshots: 0, images: 0 });
    registry.blobs.set(digest, right);
    await pull("app:v1");
    expect(engine.trace()).toEqual({ blobs: 4, ingests: 0, snapshots: 2, images: 1 });
  });

  test("a diffID that the layer does not have", async () => {
    const good = await layer("a");
    registry.addImage("app", "v1", [{ ...good, diffId: digestOf("other") }]);
    await expect(pull("app:v1")).rejects.toThrow("layers from manifest don't match image configuration");
    expect(engine.trace()).toEqual(EMPTY);
  });

  test("a layer that is no archive", async () => {
    registry.addImage("app", "v1", [{ bytes: randomBytes(200_000), diffId: digestOf("x") }]);
    await expect(pull("app:v1")).rejects.toThrow("failed to unpack layer");
    expect(engine.trace()).toEqual(EMPTY);
  });

  test.each([
    [{ schemaVersion: 2, mediaType: "application/vnd.acme.thing+json" }, "unsupported manifest media type"],
    [{ schemaVersion: 1, name: "x", tag: "y" }, "schema 1 manifest, which is no longer supported"],
    [{ schemaVersion: 2, layers: [], manifests: [] }, "ambiguous"],
    [{ schemaVersion: 2 }, "no image manifest"],
    ["<html>", "no JSON manifest"],
    [{ schemaVersion: 2, config: artifact(), layers: [] }, "this is an artifact, not an image"],
    [
      { schemaVersion: 2, config: { digest: "sha256:../../x" }, layers: [] },
      "without media type, digest or size",
    ],
    [{ schemaVersion: 2, manifests: [] }, "no matching manifest for linux/amd64"],
  ])("the manifest %j", async (manifest, message) => {
    registry.addManifest("app", "v1", manifest, "application/json");
    await expect(pull("app:v1")).rejects.toThrow(message);
    expect(engine.trace()).toEqual(EMPTY);
    registry.addImage("app", "v1", [await layer("a")]);
    await pull("app:v1");
  });

  test("a manifest of an index that has another digest", async () => {
    const { digest } = registry.addImage("app", "amd64", [await layer("a")]);
    const right = registry.manifests.get(`app ${digest}`);
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const entry = { mediaType, digest, size: 1, platform: { os: "linux", architecture: "amd64" } };
    registry.addManifest(
      "app",
      "v1",
      { schemaVersion: 2, manifests: [entry] },
      "application/vnd.oci.image.index.v1+json",
    );
    registry.manifests.set(`app ${digest}`, { bytes: Buffer.from("{}"), mediaType });
    await expect(pull("app:v1")).rejects.toThrow(`manifest verification failed for digest ${digest}`);
    expect(engine.trace()).toEqual(EMPTY);
    registry.manifests.set(`app ${digest}`, right ?? { bytes: Buffer.alloc(0), mediaType });
    await pull("app:v1");
  });

  test("a certificate of an authority that is not known, until it is", async () => {
    const folder = mkdtempSync(join(engine.root, "tls-"));
    const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...files, ...subject], {
      stdio: "ignore",
    });
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => readFileSync(join(folder, name), "utf8"));
    await using secure = await FaultyRegistry.start({ tls: { key: key ?? "", cert: cert ?? "" } });
    secure.addImage("app", "v1", [await layer("a")]);
    const rules = { mirrors: [], insecure: [] };
    const registries = new RegistryNetwork({ rules, environment: {}, certificates: join(folder, "certs.d") });
    registries.isInsecure = () => false;
    using strict = await openTestEngine({ registries });
    const name = `${secure.host}/app:v1`;
    const attempt = () => Array.fromAsync(strict.images.pull(name, {}, never));
    await expect(attempt()).rejects.toThrow(
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    );
    expect(strict.trace()).toEqual(EMPTY);
    mkdirSync(join(folder, "certs.d", secure.host), { recursive: true });
    copyFileSync(join(folder, "cert.pem"), join(folder, "certs.d", secure.host, "ca.crt"));
    await attempt();
    expect(strict.images.inspect(name).RepoTags).toEqual([name]);
  });

  test("a layer that unpacks out of all proportion", async () => {
    const good = await layer("a");
    const bomb = bombOf(await tarOf(textFile("x", "x")));
    registry.addImage("app", "v1", [good, { bytes: bomb, diffId: digestOf("never") }]);
    await expect(pull("app:v1")).rejects.toThrow("unpacks to over 1073741824 bytes");
    expect({ ...engine.trace(), ingests: 0 }).toEqual(EMPTY);
    registry.addImage("app", "v1", [good]);
    await pull("app:v1");
    expect(engine.trace()).toMatchObject({ snapshots: 1, images: 1 });
  });

  test("a config that is none", async () => {
    registry.addImage("app", "v1", [], { rootfs: { diff_ids: 7 } });
    await expect(pull("app:v1")).rejects.toThrow("invalid image config");
    expect(engine.trace()).toEqual(EMPTY);
  });
});
