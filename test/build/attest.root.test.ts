import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";
import { GantryRegistry } from "../registry/gantry-registry.ts";
import { contextOf } from "./context.ts";
import { makeRpmDatabase } from "./rpm-database.ts";

let daemon: TestDaemon;
let registry: GantryRegistry;
const folder = mkdtempSync(join(tmpdir(), "gantry-attest-"));
beforeAll(async () => {
  registry = await GantryRegistry.start(join(folder, "registry"));
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const FILES = {
  Dockerfile: "FROM busybox\nARG WORD\nCOPY root /\nRUN --mount=type=secret,id=hush true\nCMD sh",
  "root/etc/os-release": "ID=debian\nVERSION_ID=12\n",
  "root/var/lib/dpkg/status": "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n",
  "root/var/lib/dpkg/status.d/b": "Package: b\nVersion: 2\nArchitecture: all\n",
  "root/lib/apk/db/installed": "P:c\nV:3\nA:x86_64\n",
  "root/app/node_modules/@s/d/package.json": '{"name":"@s/d","version":"4"}',
  "root/app/node_modules/d/test/package.json": '{"name":"no-package","version":"4"}',
  "root/usr/lib/python3/e-5.dist-info/METADATA": "Name: e\nVersion: 5\n",
  "root/var/lib/rpm/Packages": "binary",
};
const EPOCH = ["--build-arg", "SOURCE_DATE_EPOCH=1600000000"];

const get = async (path: string) => JSON.parse(await (await fetch(`${registry.url}/v2/${path}`)).text());

/** The statements about an image in the registry, by their predicates' types, as the referrers API leads to them. */
async function statementsOf(repository: string, tag: string) {
  const index = await get(`${repository}/manifests/${tag}`);
  const [image, attested] = index.manifests;
  const { manifests: referrers } = await get(`${repository}/referrers/${image.digest}`);
  expect(referrers).toHaveLength(1);
  expect(referrers[0].artifactType).toBe("application/vnd.docker.attestation.manifest.v1+json");
  expect(referrers[0].digest).toBe(attested.digest);
  expect(attested.annotations["vnd.docker.reference.digest"]).toBe(image.digest);
  const { layers } = await get(`${repository}/manifests/${attested.digest}`);
  const statements = new Map<
    string,
    { statement: unknown; predicate: Record<string, never>; text: string }
  >();
  for (const { digest, annotations } of layers) {
    const statement = await get(`${repository}/blobs/${digest}`);
    expect(statement.subject[0].digest.sha256).toBe(image.digest.slice(7));
    statements.set(annotations["in-toto.io/predicate-type"], {
      statement,
      predicate: statement.predicate,
      text: JSON.stringify(statement),
    });
  }
  return { index, statements };
}

describe("what is said of an image", () => {
  test("goes with it to a registry, where its referrers are asked for", async () => {
    using context = contextOf({
      ...FILES,
      hush: "a-secret-word",
      "root/var/lib/rpm/rpmdb.sqlite": await makeRpmDatabase(folder),
      "root/usr/lib/sysimage/rpm/Packages.db": "broken",
    });
    const name = `${registry.host}/said:one`;
    const args = [
      "--sbom=true",
      "--provenance=mode=max",
      "--secret",
      `id=hush,src=${join(context.path, "hush")}`,
    ];
    const built = await daemon.gantry(
      "build",
      "-t",
      name,
      ...args,
      ...EPOCH,
      "--build-arg",
      "WORD=value",
      "-o",
      "type=registry",
      context.path,
    );
    expect(built.stderr).toContain("digest: sha256:");
    expect(built.exitCode).toBe(0);
    const { index, statements } = await statementsOf("said", "one");
    const sbom = statements.get("https://spdx.dev/Document")?.predicate as unknown as {
      spdxVersion: string;
      creationInfo: { created: string; comment: string };
      packages: { name: string; versionInfo: string; SPDXID: string }[];
      relationships: { relatedSpdxElement: string }[];
    };
    expect(sbom.spdxVersion).toBe("SPDX-2.3");
    expect(sbom.creationInfo.created).toBe("2020-09-13T12:26:40Z");
    expect(sbom.creationInfo.comment).toContain("var/lib/rpm/Packages was found and not read");
    const packages = sbom.packages.slice(1).map(({ name, versionInfo }) => `${name} ${versionInfo}`);
    expect(sbom.creationInfo.comment).toContain("usr/lib/sysimage/rpm/Packages.db was found and not read");
    const rpms = ["rpm-one 1.0-2", "rpm-two 5:3.0~rc1-4"];
    expect(packages.sort()).toEqual(["@s/d 4", "a 1", "b 2", "c 3", "e 5", ...rpms]);
    expect(sbom.relationships.map(({ relatedSpdxElement }) => relatedSpdxElement)).toEqual(
      sbom.packages.map(({ SPDXID }) => SPDXID),
    );
    const provenance = statements.get("https://slsa.dev/provenance/v1");
    const said = JSON.stringify(provenance?.predicate);
    expect(said).toContain('"WORD":"value"');
    expect(said).toContain('"uri":"pkg:docker/busybox"');
    expect(said).toContain(Buffer.from(FILES.Dockerfile).toString("base64"));
    for (const { text } of statements.values()) expect(text).not.toContain("a-secret-word");
    // Another client finds its image among the two.
    await daemon.docker("rmi", "-f", name);
    const pulled = await daemon.docker("run", "--rm", name, "cat", "/lib/apk/db/installed");
    expect(pulled.stdout).toContain("P:c");
    // The same build says the same, to the digest.
    const again = `${registry.host}/again:one`;
    await daemon.gantry("builder", "prune", "-af");
    await daemon.docker("rmi", "-f", name);
    await daemon.gantry("build", "-t", name, ...args, ...EPOCH, "--build-arg", "WORD=value", context.path);
    await daemon.docker("tag", name, again);
    await daemon.docker("push", again);
    expect((await get("again/manifests/one")).manifests).toEqual(index.manifests);
  });

  test("with mode=min tells no argument's value", async () => {
    using context = contextOf(FILES);
    const name = `${registry.host}/min:one`;
    await daemon.gantry(
      "build",
      "-t",
      name,
      "--attest",
      "type=provenance",
      "--build-arg",
      "WORD=value",
      "-o",
      "type=registry",
      context.path,
    );
    const { statements } = await statementsOf("min", "one");
    expect([...statements.keys()]).toEqual(["https://slsa.dev/provenance/v1"]);
    const { predicate } = statements.get("https://slsa.dev/provenance/v1") ?? {};
    expect(JSON.stringify(predicate)).not.toContain("value");
    expect(JSON.stringify(predicate)).toContain('"builderPlatform":"linux/amd64"');
  });

  test("is in an OCI layout, which other tools read, and goes with the image", async () => {
    using context = contextOf(FILES);
    const file = join(folder, "image.tar");
    await daemon.gantry(
      "build",
      "-t",
      "laid:out",
      "--sbom=true",
      "-o",
      `type=oci,dest=${file}`,
      context.path,
    );
    const read = (path: string) =>
      JSON.parse(execFileSync("tar", ["-xOf", file, path], { encoding: "utf8" }));
    const blob = (digest: string) => read(`blobs/sha256/${digest.slice(7)}`);
    const [top, ...more] = read("index.json").manifests;
    expect(more).toEqual([]);
    const [image, attested] = blob(top.digest).manifests;
    expect(attested.platform).toEqual({ architecture: "unknown", os: "unknown" });
    expect(blob(attested.digest).subject.digest).toBe(image.digest);
    const [statement] = blob(attested.digest).layers;
    expect(blob(statement.digest).predicateType).toBe("https://spdx.dev/Document");
    const inspected = execFileSync("skopeo", ["inspect", "--config", `oci-archive:${file}`], {
      encoding: "utf8",
    });
    expect(JSON.parse(inspected).config.Cmd).toEqual(["/bin/sh", "-c", "sh"]);
    expect((await daemon.docker({ input: readFileSync(file) }, "load")).stdout).toContain("laid:out");
    // What is said goes along with the image through archives of either kind.
    const again = (format: string) => join(folder, `again-${format}.tar`);
    for (const format of ["docker-archive", "oci"]) {
      await daemon.gantry("save", "--format", format, "-o", again(format), "laid:out");
      await daemon.docker("rmi", "-f", "laid:out");
      expect((await daemon.gantry("load", "-i", again(format))).stdout).toContain("laid:out");
    }
    const index = execFileSync("tar", ["-xOf", again("oci"), "index.json"], { encoding: "utf8" });
    expect(JSON.parse(index).manifests[0].digest).toBe(top.digest);
    // Nothing of it stays when the image goes.
    await daemon.docker("rmi", "-f", "laid:out");
    await daemon.gantry("builder", "prune", "-af");
    const fsck = await daemon.gantry("system", "fsck");
    expect(fsck.exitCode).toBe(0);
  });

  test("that this engine cannot say is refused", async () => {
    using context = contextOf({ Dockerfile: "FROM busybox" });
    const other = await daemon.gantry("build", "--attest", "type=other", context.path);
    expect(other.stderr).toContain("an attestation of type other is not supported: use sbom or provenance");
    const generator = await daemon.gantry("build", "--attest", "type=sbom,generator=x", context.path);
    expect(generator.stderr).toContain("an sbom takes no options");
    expect(generator.exitCode).not.toBe(0);
    expect((await daemon.gantry("build", "--sbom=false", "--provenance=false", context.path)).exitCode).toBe(
      0,
    );
  });
});
