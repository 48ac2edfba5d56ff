import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, succeed, type TestDaemon } from "../harness/index.ts";
import { type Dockerd, startDockerd } from "./dockerd.ts";
import { copyImage } from "./engines.ts";

/** Both engines, side by side, with the same image `busybox`. */
export interface Pair extends AsyncDisposable {
  readonly docker: Dockerd;
  readonly gantry: TestDaemon;
  /** For archives; removed with the engines. */
  readonly folder: string;
}

export async function startPair(): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const [docker, gantry] = await Promise.all([
    startDockerd().then((engine) => stack.use(engine)),
    startDaemon().then((engine) => stack.use(engine)),
  ]);
  const folder = join(docker.folder, "archives");
  mkdirSync(folder);
  await succeed(gantry, "pull", "busybox");
  await copyImage(gantry, docker, "busybox", join(folder, "busybox.tar"));
  const owned = stack.move();
  return { docker, gantry, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
