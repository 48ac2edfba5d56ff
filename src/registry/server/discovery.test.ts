import { afterAll, beforeAll, expect, test } from "bun:test";
import { codeOf, descriptor, OCI_INDEX, OCI_MANIFEST, sha256, TestRegistry } from "./testing.ts";

/** The distribution-spec's workflow "content discovery", the catalog, and docker's search. */
let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());

interface Lists {
  tags: string[];
  repositories: string[];
  manifests: { digest: string; artifactType?: string; annotations?: Record<string, string> }[];
}
const json = async (answer: Response) => (await answer.json()) as Lists;
const next = (answer: Response) => /^<(.+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];

test("tags come in order, in pages that lead to one another", async () => {
  const { bytes } = await registry.pushImage("disc/tags", "b");
  for (const tag of ["a", "d", "C", "c"]) await registry.pushManifest("disc/tags", tag, bytes);
  const all = await registry.get("/v2/disc/tags/tags/list");
  expect(await all.json()).toEqual({ name: "disc/tags", tags: ["C", "a", "b", "c", "d"] });
  const seen: string[] = [];
  let pages = 0;
  for (let path: string | undefined = "/v2/disc/tags/tags/list?n=2"; path !== undefined; pages++) {
    const page = await registry.get(path);
    seen.push(...(await json(page)).tags);
    path = next(page);
  }
  expect([seen, pages]).toEqual([["C", "a", "b", "c", "d"], 3]);
  const none = await registry.get("/v2/disc/tags/tags/list?n=0");
  expect([(await json(none)).tags, next(none)]).toEqual([[], undefined]);
  expect((await json(await registry.get("/v2/disc/tags/tags/list?last=b"))).tags).toEqual(["c", "d"]);
  for (const n of ["-1", "x", ""]) {
    const bad = await registry.get(`/v2/disc/tags/tags/list?n=${n}`);
    expect([bad.status, await codeOf(bad)]).toEqual([400, "PAGINATION_NUMBER_INVALID"]);
  }
});

test("the catalog has the repositories with a manifest, in pages", async () => {
  for (const repository of ["cat/b", "cat/a"]) await registry.pushImage(repository, "x");
  await registry.pushBlob("cat/only-a-blob", "b");
  const { repositories } = await json(await registry.get("/v2/_catalog?last=cas"));
  expect(repositories.filter((name) => name.startsWith("cat/"))).toEqual(["cat/a", "cat/b"]);
  const page = await registry.get("/v2/_catalog?n=1&last=cas");
  expect((await json(page)).repositories).toEqual(["cat/a"]);
  expect(next(page)).toBe("/v2/_catalog?n=1&last=cat%2Fa");
});

test("referrers of a manifest, also before it is there, filtered and in pages", async () => {
  const subject = descriptor("a subject that is not here yet", OCI_MANIFEST);
  const nothing = await registry.get(`/v2/disc/ref/referrers/${subject.digest}`);
  expect([nothing.status, nothing.headers.get("content-type")]).toEqual([200, OCI_INDEX]);
  expect((await json(nothing)).manifests).toEqual([]);

  const types: string[] = [];
  for (const artifactType of ["application/x.sbom", "application/x.signature", "application/x.sbom"]) {
    await registry.pushBlob("disc/ref", "{}");
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType,
      config: descriptor("{}", "application/vnd.oci.empty.v1+json"),
      layers: [],
      subject,
      annotations: { "org.example.number": String(types.length) },
    });
    const put = await registry.pushManifest("disc/ref", sha256(text), text);
    expect([put.status, put.headers.get("oci-subject")]).toEqual([201, subject.digest]);
    types.push(artifactType);
  }
  // Without an own type it is that of the config; an index has none then.
  await registry.pushImage("disc/ref", "image", { subject });
  const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject });
  await registry.pushManifest("disc/ref", "index", index, OCI_INDEX);

  const all = await json(await registry.get(`/v2/disc/ref/referrers/${subject.digest}`));
  const found = all.manifests.map(({ artifactType }) => artifactType ?? "none").sort();
  expect(found).toEqual([
    "application/vnd.oci.image.config.v1+json",
    "application/x.sbom",
    "application/x.sbom",
    "application/x.signature",
    "none",
  ]);
  const filtered = await registry.get(
    `/v2/disc/ref/referrers/${subject.digest}?artifactType=application/x.sbom`,
  );
  expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");
  const numbers = (await json(filtered)).manifests.map(
    ({ annotations }) => annotations?.["org.example.number"],
  );
  expect(numbers.sort()).toEqual(["0", "2"]);

  const seen = new Set<string>();
  for (let path: string | undefined = `/v2/disc/ref/referrers/${subject.digest}?n=2`; path !== undefined; ) {
    const page = await registry.get(path);
    for (const { digest } of (await json(page)).manifests) seen.add(digest);
    path = next(page);
  }
  expect(seen.size).toBe(5);
  const bad = await registry.get("/v2/disc/ref/referrers/sha256:short");
  expect([bad.status, await codeOf(bad)]).toEqual([400, "DIGEST_INVALID"]);
});

test("search finds by name, best first, with the description of the newest manifest", async () => {
  const annotations = { "org.opencontainers.image.description": "A web thing" };
  await registry.pushImage("team/webthing", "x", { annotations });
  await registry.pushImage("mywebthing", "x");
  const answer = await registry.get("/v1/search?q=webthing&n=1");
  expect(await answer.json()).toEqual({
    query: "webthing",
    num_results: 2,
    num_pages: 2,
    page: 1,
    page_size: 1,
    results: [
      {
        name: "team/webthing",
        description: "A web thing",
        star_count: 0,
        is_official: false,
        is_automated: false,
      },
    ],
  });
  expect((await (await registry.get("/v1/search?q=%25")).json()) as object).toMatchObject({ num_results: 0 });
  expect((await registry.get("/v1/_ping")).headers.get("x-docker-registry-standalone")).toBe("true");
});
