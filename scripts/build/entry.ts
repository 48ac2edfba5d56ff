/** First module of the compiled file: says where inside it the embedded files lie, then runs the command line. */
import busybox from "../../dist/images/busybox.tar" with { type: "file" };
import helloWorld from "../../dist/images/hello-world.tar" with { type: "file" };
import shim from "../../native/build/gantry-shim" with { type: "file" };

globalThis.gantryEmbedded = { shim, archives: { busybox, "hello-world": helloWorld } };
await import("../../src/cli/main.ts");
