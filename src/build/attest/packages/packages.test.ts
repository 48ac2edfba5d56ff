import { expect, test } from "bun:test";
import { parseApkInstalled } from "./alpine.ts";
import { parseDpkgStatus } from "./debian.ts";
import { parsePackageJson } from "./npm.ts";
import { parseOsRelease } from "./package.ts";
import { parseDistInfo } from "./python.ts";

const debian = parseOsRelease('PRETTY_NAME="x"\nID=debian\nVERSION_ID="12"\n');

test("dpkg's status tells of what is installed, and of nothing that is not any more", () => {
  const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u1
Description: x
 Version: no field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1:2
`;
  expect(parseDpkgStatus(status, "p", debian)).toEqual([
    {
      name: "libc6",
      version: "2.36-9+deb12u1",
      license: "",
      foundIn: "p",
      purl: "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12",
    },
  ]);
  const part = "Package: base-files\nVersion: 12\nArchitecture: all\n";
  expect(parseDpkgStatus(part, "p", debian)).toHaveLength(1);
});

test("apk's database tells letter by letter", () => {
  const [musl, ...more] = parseApkInstalled(
    "C:Q1\nP:musl\nV:1.2.4-r1\nA:x86_64\nL:MIT\nF:lib\n\nP:half\n",
    "p",
    parseOsRelease("ID=alpine\nVERSION_ID=3.18.4\n"),
  );
  expect(musl).toMatchObject({
    license: "MIT",
    purl: "pkg:apk/alpine/musl@1.2.4-r1?arch=x86_64&distro=alpine-3.18.4",
  });
  expect(more).toEqual([]);
});

test("npm's scoped names keep their scope", () => {
  const [one] = parsePackageJson('{"name":"@scope/a","version":"1.0.0-rc.1+b","license":"MIT"}', "p");
  expect(one?.purl).toBe("pkg:npm/%40scope/a@1.0.0-rc.1%2Bb");
  for (const none of ["{", "[]", "null", '{"name":"a"}', '{"name":1,"version":"1"}'])
    expect(parsePackageJson(none, "p")).toEqual([]);
});

test("a Python distribution is named as PyPI does", () => {
  const [one] = parseDistInfo(
    "Metadata-Version: 2.1\nName: Typing_Extensions\nVersion: 4.8\nLicense: PSF-2.0\n\nName: text\n",
    "p",
  );
  expect(one).toMatchObject({
    name: "Typing_Extensions",
    license: "PSF-2.0",
    purl: "pkg:pypi/typing-extensions@4.8",
  });
  expect(parseDistInfo("Name: a\n", "p")).toEqual([]);
});
