import { packRootFileSystem } from "../harness/index.ts";

const POSTGRES = "/usr/lib/postgresql/15";
const COMMANDS = ["postgres", "initdb", "psql", "pg_isready"];
const POSTGRES_ID = 70;

/** Debian's PostgreSQL, as this machine has it: parts of a root file system. */
export const POSTGRES_PARTS = {
  programs: [
    ...COMMANDS.map((name) => `${POSTGRES}/bin/${name}`),
    ...["plpgsql", "dict_snowball"].map((name) => `${POSTGRES}/lib/${name}.so`),
  ],
  files: ["/usr/share/postgresql/15", "/usr/share/zoneinfo/Etc", "/usr/share/zoneinfo/UTC"],
  links: Object.fromEntries(COMMANDS.map((name) => [`/usr/bin/${name}`, `${POSTGRES}/bin/${name}`])),
  texts: {
    "/etc/passwd": `root:x:0:0::/:/bin/sh\npostgres:x:${POSTGRES_ID}:${POSTGRES_ID}::/data:/bin/sh\n`,
    "/etc/group": `root:x:0:\npostgres:x:${POSTGRES_ID}:\n`,
  },
};

const VISIT = `#!/bin/sh
echo "Content-Type: text/plain"
echo
sql() { psql -h db -U postgres -qtAc "$1"; }
sql "SET client_min_messages = error; CREATE TABLE IF NOT EXISTS visit (at timestamptz DEFAULT now()); INSERT INTO visit DEFAULT VALUES"
echo "$(sql 'SELECT count(*) FROM visit') $(redis-cli -h cache incr visits)"
`;

/** Write the root file system of an image with Debian's PostgreSQL and Redis, as this machine has them, to a tar. */
export const databaseImage = (archive: string): Promise<void> =>
  packRootFileSystem(archive, {
    ...POSTGRES_PARTS,
    programs: [...POSTGRES_PARTS.programs, "/usr/bin/redis-server", "/usr/bin/redis-cli"],
    texts: { ...POSTGRES_PARTS.texts, "/www/cgi-bin/visit": VISIT },
    folders: { "/data": `${POSTGRES_ID}:${POSTGRES_ID}` },
    applets: ["sh", "httpd", "grep", "cat", "mkdir", "sleep", "id"],
  });
