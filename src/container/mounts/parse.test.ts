import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ContainerConfig, HostConfig, Mount } from "../../wire/index.ts";
import { parseBind, parseMounts } from "./parse.ts";

const config = (volumes: string[] = []) =>
  ({ Volumes: Object.fromEntries(volumes.map((path) => [path, {}])) }) as unknown as ContainerConfig;
const host = (part: Partial<HostConfig>) => ({ Binds: null, VolumeDriver: "", ...part }) as HostConfig;

describe("a bind text", () => {
  test("with an absolute source is a host folder", () => {
    expect(parseBind("/a:/b", "")).toMatchObject({
      type: "bind",
      source: "/a",
      target: "/b",
      readonly: false,
      createSource: true,
    });
  });
  test("with a name is a volume", () => {
    expect(parseBind("data:/b:ro,nocopy", "")).toMatchObject({
      type: "volume",
      source: "data",
      readonly: true,
      noCopy: true,
    });
  });
  test("with a target alone is an anonymous volume", () => {
    expect(parseBind("/b", "")).toMatchObject({ type: "volume", source: "", target: "/b" });
  });
  test.each([
    ["", "invalid volume specification: ''"],
    ["a:b:c:d", "invalid volume specification: 'a:b:c:d'"],
    ["/a:/b:what", "invalid mode: what"],
    ["/a:/", "destination can't be '/'"],
    ["/a:b", "mount path must be absolute"],
    ["../x:/b", "includes invalid characters for a local volume name"],
    ["name:/b:rshared", "invalid mode: rshared"],
  ])("%p is refused", (text, message) => {
    expect(() => parseBind(text, "")).toThrow(message);
  });
  test("never gives a target that climbs or ends in a slash", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "..", ".", "", "b")), (parts) => {
        const path = `/x/${parts.join("/")}/keep`;
        const { target } = parseBind(`/src:${path}`, "");
        expect(target.split("/").includes("..")).toBe(false);
        expect(target.endsWith("/")).toBe(false);
      }),
    );
  });
});

describe("the mounts of a container", () => {
  test("an explicit mount replaces an image's volume at the same place", () => {
    const mounts = parseMounts(config(["/data"]), host({ Binds: ["named:/data"] }), []);
    expect(mounts).toHaveLength(1);
    expect(mounts[0]).toMatchObject({ source: "named" });
  });
  test("two explicit mounts at one place are refused", () => {
    expect(() => parseMounts(config(), host({ Binds: ["/a:/x", "b:/x/"] }), [])).toThrow(
      "Duplicate mount point: /x",
    );
  });
  test("a parent comes before what is below it", () => {
    const mounts = parseMounts(config(), host({ Binds: ["/a:/x/y/z", "/b:/x"] }), []);
    expect(mounts.map(({ target }) => target)).toEqual(["/x", "/x/y/z"]);
  });
  test("a bind mount without a source is refused in Docker's words", () => {
    const Mounts: Mount[] = [{ Type: "bind", Target: "/x" }];
    expect(() => parseMounts(config(), host({ Mounts }), [])).toThrow(
      'invalid mount config for type "bind": field Source must not be empty',
    );
  });
  test("tmpfs options become the words of tmpfs(5)", () => {
    const Mounts: Mount[] = [
      { Type: "tmpfs", Target: "/x", TmpfsOptions: { SizeBytes: 65536, Mode: 0o1770 } },
    ];
    expect(parseMounts(config(), host({ Mounts }), [])[0]).toMatchObject({
      tmpfsOptions: "size=65536,mode=1770",
    });
  });
});
