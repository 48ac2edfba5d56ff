import { expect, test } from "bun:test";
import { type ImageIndex, parseManifest, selectPlatform } from "./manifest.ts";

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const digest = `sha256:${"a".repeat(64)}`;
const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 1 };
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 7 };

test("a manifest gives config and layers, oldest first", () => {
  const manifest = parseManifest(bytes({ schemaVersion: 2, config, layers: [layer] }), "");
  expect(manifest).toEqual({ kind: "manifest", config, layers: [layer] });
});

test("an index gives the entry of the platform asked for, and passes over attestations", () => {
  const entry = (architecture: string, variant?: string) => ({
    ...layer,
    platform: { os: "linux", architecture, variant },
  });
  const index = parseManifest(
    bytes({ schemaVersion: 2, manifests: [entry("unknown"), entry("arm", "v6"), entry("arm", "v7")] }),
    "",
  );
  expect(index.kind).toBe("index");
  const chosen = selectPlatform(index as ImageIndex, { os: "linux", architecture: "arm", variant: "v7" });
  expect(chosen).toMatchObject({ platform: { variant: "v7" } });
  expect(() => selectPlatform(index as ImageIndex, { os: "linux", architecture: "s390x" })).toThrow(
    "no matching manifest for linux/s390x",
  );
});

test.each([
  ["no JSON", Buffer.from("{"), "no JSON manifest"],
  ["a list", bytes([]), "no JSON manifest"],
  ["schema 1", bytes({ schemaVersion: 1 }), "schema 1"],
  ["both kinds at once", bytes({ schemaVersion: 2, config, layers: [], manifests: [] }), "ambiguous"],
  [
    "another type",
    bytes({ schemaVersion: 2, mediaType: "application/vnd.example.thing", layers: [] }),
    "unsupported manifest media type",
  ],
  [
    "an artifact",
    bytes({
      schemaVersion: 2,
      config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" },
      layers: [],
    }),
    "an artifact",
  ],
  [
    "a strange layer",
    bytes({ schemaVersion: 2, config, layers: [{ ...layer, mediaType: "text/plain" }] }),
    "cannot be unpacked",
  ],
  ["no layers", bytes({ schemaVersion: 2, config }), "no image manifest"],
  [
    "a strange digest",
    bytes({ schemaVersion: 2, config: { ...layer, digest: "sha256:../../x" }, layers: [] }),
    "unsupported digest",
  ],
  [
    "a negative size",
    bytes({ schemaVersion: 2, config: { ...layer, size: -1 }, layers: [] }),
    "impossible size",
  ],
])("%s is refused", (_name, body, message) => {
  expect(() => parseManifest(body, "")).toThrow(message);
});
