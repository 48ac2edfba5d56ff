import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../harness/index.ts";

/** Packages by their names, and further lines of their spec files. */
const PACKAGES: Readonly<Record<string, string>> = {
  "rpm-one": "Version: 1.0\nRelease: 2\nLicense: MIT\nBuildArch: noarch",
  "rpm-two": "Version: 3.0~rc1\nRelease: 4\nEpoch: 5\nLicense: GPL-2.0-only",
};

/** The database (rpmdb.sqlite) of two packages that rpm's own programs built and installed. `folder` is for what they write. */
export async function makeRpmDatabase(folder: string): Promise<Uint8Array> {
  const top = join(folder, "rpmbuild");
  mkdirSync(top, { recursive: true });
  const files: string[] = [];
  for (const [name, lines] of Object.entries(PACKAGES)) {
    const spec = join(top, `${name}.spec`);
    writeFileSync(spec, `Name: ${name}\n${lines}\nSummary: x\n%description\n%files\n`);
    const built = await must("rpmbuild", "-bb", "--define", `_topdir ${top}`, spec);
    files.push(/^Wrote: (.*)$/m.exec(built)?.[1] ?? "");
  }
  const place = join(folder, "rpmdb");
  await must("rpm", "--dbpath", place, "-i", "--justdb", "--nodeps", "--ignorearch", ...files);
  return readFileSync(join(place, "rpmdb.sqlite"));
}

async function must(program: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runProgram(program, args, { limitMs: 60_000 });
  if (exitCode !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
