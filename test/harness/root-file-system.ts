import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runProgram } from "./program.ts";

export interface RootFileSystem {
  /** Programs and libraries of this machine, by path; what they are linked with comes along. */
  readonly programs: readonly string[];
  /** Further files and folders of this machine. */
  readonly files?: readonly string[];
  /** Files of the image's own, by their path in it, executable ones with "#!" in front. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Names in /bin that busybox answers to. */
  readonly applets?: readonly string[];
  /** Links by their path, and what they lead to. */
  readonly links?: Readonly<Record<string, string>>;
  /** Folders by their path, and "UID:GID MODE" of them. */
  readonly folders?: Readonly<Record<string, string>>;
}

/** Write the root file system of an image, made of programs as this machine has them, to a tar. */
export async function packRootFileSystem(archive: string, image: RootFileSystem): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "gantry-root-"));
  const place = (path: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    return join(root, path);
  };
  try {
    mkdirSync(join(root, "tmp"));
    chmodSync(join(root, "tmp"), 0o1777);
    for (const [path, owner] of Object.entries(image.folders ?? {})) {
      const [ids = "", mode = "755"] = owner.split(" ");
      mkdirSync(place(path), { recursive: true });
      await must("chown", [ids, join(root, path)]);
      await must("chmod", [mode, join(root, path)]);
    }
    for (const [path, text] of Object.entries(image.texts ?? {}))
      writeFileSync(place(path), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
    for (const applet of image.applets ?? []) symlinkSync("busybox", place(`/bin/${applet}`));
    for (const [path, target] of Object.entries(image.links ?? {})) symlinkSync(target, place(path));
    const files = [...image.programs, ...(image.files ?? []), ...(await librariesOf(image.programs))];
    if (image.applets !== undefined) files.push("/bin/busybox");
    // Libraries are named by links; what they lead to is packed under the name that is asked for.
    await must("tar", ["-c", "-h", "-f", archive, "--transform", "s,^/,,", "-P", ...new Set(files)]);
    await must("tar", ["-r", "-f", archive, "-C", root, "."]);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Shared libraries of programs, the loader among them, as ldd(1) finds them. */
async function librariesOf(programs: readonly string[]): Promise<string[]> {
  const listing = await must("ldd", programs);
  return [...new Set([...listing.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(/gm)].map(([, path]) => path ?? ""))];
}

async function must(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runProgram(program, args, { limitMs: 60_000 });
  if (exitCode !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}
