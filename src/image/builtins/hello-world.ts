import { file } from "./files.ts";
import type { BuiltinRecipe } from "./one-layer.ts";

/** hello-world: one program, and nothing else. */
export function helloWorld(program: Uint8Array, created: string): BuiltinRecipe {
  return {
    name: "hello-world",
    created,
    createdBy: "COPY hello / # native/hello",
    config: {
      Cmd: ["/hello"],
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      WorkingDir: "/",
    },
    files: [file("hello", program, 0o755)],
  };
}
