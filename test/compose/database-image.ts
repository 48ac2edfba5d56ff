import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../harness/index.ts";

const POSTGRES = "/usr/lib/postgresql/15";
const PROGRAMS = [
  ...["postgres", "initdb", "psql", "pg_isready"].map((name) => `${POSTGRES}/bin/${name}`),
  "/usr/bin/redis-server",
  "/usr/bin/redis-cli",
];
const LIBRARIES = ["plpgsql", "dict_snowball"].map((name) => `${POSTGRES}/lib/${name}.so`);
const DATA = [
  "/usr/share/postgresql/15",
  "/usr/share/zoneinfo/Etc",
  "/usr/share/zoneinfo/UTC",
  "/bin/busybox",
];
const APPLETS = ["sh", "httpd", "grep", "cat", "mkdir", "sleep", "id"];
const POSTGRES_ID = 70;

const VISIT = `#!/bin/sh
echo "Content-Type: text/plain"
echo
sql() { psql -h db -U postgres -qtAc "$1"; }
sql "SET client_min_messages = error; CREATE TABLE IF NOT EXISTS visit (at timestamptz DEFAULT now()); INSERT INTO visit DEFAULT VALUES"
echo "$(sql 'SELECT count(*) FROM visit') $(redis-cli -h cache incr visits)"
`;

/** Write the root file system of an image with Debian's PostgreSQL and Redis, as this machine has them, to a tar. */
export async function databaseImage(archive: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "gantry-services-"));
  try {
    for (const folder of ["bin", "etc", "tmp", "data", "www/cgi-bin", "usr/bin"])
      mkdirSync(join(root, folder), { recursive: true });
    chmodSync(join(root, "tmp"), 0o1777);
    writeFileSync(
      join(root, "etc/passwd"),
      `root:x:0:0::/:/bin/sh\npostgres:x:${POSTGRES_ID}:${POSTGRES_ID}::/data:/bin/sh\n`,
    );
    writeFileSync(join(root, "etc/group"), `root:x:0:\npostgres:x:${POSTGRES_ID}:\n`);
    writeFileSync(join(root, "www/cgi-bin/visit"), VISIT, { mode: 0o755 });
    for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
    for (const program of PROGRAMS.filter((path) => path.startsWith(POSTGRES)))
      symlinkSync(program, join(root, "usr/bin", program.split("/").at(-1) ?? ""));
    await must("chown", [`${POSTGRES_ID}:${POSTGRES_ID}`, join(root, "data")]);
    const files = [...PROGRAMS, ...LIBRARIES, ...DATA, ...(await neededBy([...PROGRAMS, ...LIBRARIES]))];
    // Libraries are named by links; what they lead to is packed under the name that is asked for.
    await must("tar", ["-c", "-h", "-f", archive, "--transform", "s,^/,,", "-P", ...files]);
    await must("tar", ["-r", "-f", archive, "-C", root, "."]);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Shared libraries of programs, the loader among them, as ldd(1) finds them. */
async function neededBy(programs: readonly string[]): Promise<string[]> {
  const listing = await must("ldd", programs);
  return [...new Set([...listing.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(/gm)].map(([, path]) => path ?? ""))];
}

async function must(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runProgram(program, args);
  if (exitCode !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}
