import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { EngineError } from "../../../../errors/index.ts";
import { parseOsRelease } from "../package.ts";
import { parseRpmBdb, parseRpmNdb, parseRpmSqlite } from "./rpm.ts";

const distribution = parseOsRelease("ID=fedora\nVERSION_ID=40\n");
const NUMBER = 4;
const TEXT = 6;

/** A header with texts and numbers by their tags, and much else behind them. */
function header(values: Readonly<Record<number, string | number>>, moreBytes = 0): Buffer {
  const index: Buffer[] = [];
  const data: Buffer[] = [];
  let at = 0;
  for (const [tag, value] of Object.entries(values)) {
    const bytes = typeof value === "string" ? Buffer.from(`${value}\0`) : Buffer.alloc(4);
    if (typeof value === "number") bytes.writeUInt32BE(value);
    index.push(numbers(Number(tag), typeof value === "string" ? TEXT : NUMBER, at, 1));
    data.push(bytes);
    at += bytes.length;
  }
  return Buffer.concat([
    numbers(index.length, at + moreBytes),
    ...index,
    ...data,
    Buffer.alloc(moreBytes, "x"),
  ]);
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at);
  return bytes;
}

function sqlite(statements: string, headers: readonly Buffer[] = []): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "gantry-rpm-"));
  try {
    const path = join(folder, "db");
    const database = new DatabaseSync(path);
    database.exec(statements);
    database.exec("BEGIN");
    for (const blob of headers) database.prepare("INSERT INTO Packages (blob) VALUES (?)").run(blob);
    database.exec("COMMIT");
    database.close();
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const TABLE = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)";

test("many packages, on pages of their own and over many", () => {
  const headers = Array.from({ length: 120 }, (_, at) =>
    header({ 1000: `p${at}`, 1001: "1", 1002: "2.fc40", 1022: "x86_64", 1014: "MIT" }, (at % 7) * 3000),
  );
  const keys = header({ 1000: "gpg-pubkey", 1001: "a", 1002: "b" });
  for (const size of [512, 4096, 65_536]) {
    const file = sqlite(`PRAGMA page_size=${size}; CREATE TABLE a (b); ${TABLE}`, [keys, ...headers]);
    const found = parseRpmSqlite(file, "p", distribution);
    expect(found.map(({ name }) => name)).toEqual(headers.map((_, at) => `p${at}`));
    expect(found[7]).toEqual({
      name: "p7",
      version: "1-2.fc40",
      license: "MIT",
      foundIn: "p",
      purl: "pkg:rpm/fedora/p7@1-2.fc40?arch=x86_64&distro=fedora-40",
    });
  }
});

test("an epoch, and a distribution without a name", () => {
  const file = sqlite(TABLE, [header({ 1000: "a", 1001: "1", 1002: "2", 1003: 7 })]);
  expect(parseRpmSqlite(file, "p", parseOsRelease(""))).toMatchObject([
    { version: "7:1-2", purl: "pkg:rpm/a@1-2?epoch=7" },
  ]);
});

test("what is no database, or none of rpm's, is refused", () => {
  const refused = (file: Buffer, words: string) =>
    expect(() => parseRpmSqlite(file, "p", distribution)).toThrow(words);
  refused(Buffer.from("binary"), "no SQLite database");
  refused(sqlite("CREATE TABLE other (a)"), "no table Packages");
  // A view would be worked out by whoever asks SQLite for it.
  refused(sqlite("CREATE VIEW Packages AS SELECT 1, zeroblob(9)"), "no table Packages");
  refused(sqlite(TABLE, [numbers(1 << 20, 8)]), "larger than its record");
  refused(
    sqlite(TABLE, [Buffer.concat([numbers(1, 2, 1000, TEXT, 0, 1), Buffer.from("ab")])]),
    "outside of its data",
  );
  expect(() => parseRpmNdb(Buffer.alloc(8192), "p", distribution)).toThrow("no ndb database");
});

/** A file of one page of slots with these headers behind it, each in blocks of 16 bytes. */
function ndb(headers: readonly Buffer[]): Buffer {
  const slots = Buffer.alloc(4096);
  for (let at = 0; at < slots.length; at += 16) slots.write("Slot", at);
  slots.fill(0, 0, 32);
  slots.write("RpmP");
  slots.writeUInt32LE(1, 12);
  const parts = [slots];
  let block = slots.length / 16;
  for (const [at, header] of headers.entries()) {
    // The first slot is free, as after a removal.
    const slot = 48 + 16 * at;
    slots.writeUInt32LE(at + 1, slot + 4);
    slots.writeUInt32LE(block, slot + 8);
    const blob = Buffer.alloc(16 + Math.ceil(header.length / 16) * 16);
    blob.write("BlbS");
    blob.writeUInt32LE(at + 1, 4);
    blob.writeUInt32LE(header.length, 12);
    header.copy(blob, 16);
    parts.push(blob);
    block += blob.length / 16;
  }
  return Buffer.concat(parts);
}

test("a database of rpm's own format", () => {
  const file = ndb([header({ 1000: "a", 1001: "1" }, 5), header({ 1000: "b", 1001: "2", 1002: "3" })]);
  const found = parseRpmNdb(file, "p", distribution);
  expect(found.map(({ name, version }) => `${name} ${version}`)).toEqual(["a 1", "b 2-3"]);
  const everywhere = Buffer.from(file);
  for (let at = 48; at < 4096; at += 16) file.copy(everywhere, at, 48, 64);
  expect(() => parseRpmNdb(everywhere, "p", distribution)).toThrow("larger than itself");
  expect(() => parseRpmNdb(file.subarray(0, 4200), "p", distribution)).toThrow("larger than itself");
  const slots = Buffer.from(file);
  slots.writeUInt32LE(0xffffffff, 12);
  expect(() => parseRpmNdb(slots, "p", distribution)).toThrow("slots outside of the file");
});

/** Perl comes with Berkeley DB itself. Arguments: file, byte order (1234 or 4321), files of headers. */
const BDB_WRITER = `
  use DB_File; use Fcntl;
  my ($out, $order, @files) = @ARGV;
  my $how = DB_File::HASHINFO->new; $how->{bsize} = 4096; $how->{lorder} = $order;
  tie my %h, "DB_File", $out, O_RDWR | O_CREAT, 0600, $how or die $!;
  my $number = $order == 1234 ? "V" : "N";
  $h{pack($number, 0)} = pack($number, scalar @files);
  for my $at (0 .. $#files) { local $/; open my $in, "<:raw", $files[$at]; $h{pack($number, $at + 1)} = <$in>; }
  untie %h;`;

function bdb(order: 1234 | 4321, headers: readonly Buffer[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "gantry-rpm-"));
  try {
    const files = headers.map((bytes, at) => {
      writeFileSync(join(folder, `${at}`), bytes);
      return join(folder, `${at}`);
    });
    const { status, stderr } = spawnSync("perl", [
      "-e",
      BDB_WRITER,
      join(folder, "db"),
      `${order}`,
      ...files,
    ]);
    if (status !== 0) throw new Error(String(stderr));
    return readFileSync(join(folder, "db"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const hasBdb = spawnSync("perl", ["-MDB_File", "-e", "1"]).status === 0;

describe.skipIf(!hasBdb)("a database of Berkeley DB", () => {
  const headers = Array.from({ length: 60 }, (_, at) =>
    header({ 1000: `p${at}`, 1001: "1", 1002: "2" }, (at % 7) * 3000),
  );

  test("gives its packages, in either byte order, on hash and overflow pages", () => {
    for (const order of [1234, 4321] as const) {
      const found = parseRpmBdb(bdb(order, headers), "p", distribution).map(({ name }) => name);
      expect(found.toSorted()).toEqual(headers.map((_, at) => `p${at}`).toSorted());
    }
  });

  test("is refused when it is none, when values share pages, and whatever bytes are changed", () => {
    const file = bdb(1234, headers.slice(0, 12));
    expect(() => parseRpmBdb(Buffer.alloc(8192), "p", distribution)).toThrow("no hash of Berkeley DB");
    const circle = Buffer.from(file);
    for (let at = 4096; at < file.length; at += 4096)
      if (file[at + 25] === 7) circle.writeUInt32LE(at / 4096, at + 16);
    expect(() => parseRpmBdb(circle, "p", distribution)).toThrow("on a page of something else");
    refusesChanges(file, parseRpmBdb);
  });
});

test("a page that is its own child, or the record's next one, ends in a refusal", () => {
  const file = sqlite(`PRAGMA page_size=512; ${TABLE}`, [header({ 1000: "a", 1001: "1" }, 9000)]);
  const pages = file.length / 512;
  for (let page = 2; page <= pages; page++) {
    const twisted = Buffer.from(file);
    twisted.writeUInt32BE(page, (page - 1) * 512);
    try {
      parseRpmSqlite(twisted, "p", distribution);
    } catch (error) {
      expect(error).toBeInstanceOf(EngineError);
    }
  }
});

test("whatever bytes are changed, the answer is packages or a refusal", () => {
  const file = sqlite(`PRAGMA page_size=512; ${TABLE}`, [
    header({ 1000: "a", 1001: "1", 1002: "2", 1003: 1 }, 2000),
    header({ 1000: "b", 1001: "1" }),
  ]);
  refusesChanges(file, parseRpmSqlite);
});

function refusesChanges(file: Buffer, parse: typeof parseRpmSqlite): void {
  const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
      const damaged = Buffer.from(file);
      for (const [at, byte] of changes) damaged[at] = byte;
      try {
        parse(damaged, "p", distribution);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
}
