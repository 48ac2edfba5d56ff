import { expect, test } from "bun:test";
import { shimFolder } from "./shim-folder.ts";

test("the helper is beside the state, unless nothing can be executed there", () => {
  const mounts = [
    "1 0 8:1 / / rw - ext4 d rw",
    "2 1 0:2 / /run rw,noexec - tmpfs t rw",
    "3 2 0:3 / /run/x rw - tmpfs t rw",
  ];
  const at = (root: string) => shimFolder(root, mounts.join("\n"));
  expect(at("/run/gantry-oci")).toBe("/var/lib/gantry-oci/bin");
  expect(at("/run/x/oci")).toBe("/run/x/oci/@bin");
  expect(at("/running")).toBe("/running/@bin");
});
