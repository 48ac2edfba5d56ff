import { writeBuiltinImages } from "../src/image/index.ts";

/** Build step: the archives of the built-in images into dist/images. */
await writeBuiltinImages("dist/images", {
  hello: "native/build/hello",
  busybox: "/bin/busybox",
  created: "2026-01-01T00:00:00Z",
});
