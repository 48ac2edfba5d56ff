import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/**
 * A name server for tests, run as a program of its own: name-server.ts ADDRESS [ADDRESS]. It knows two kinds of names:
 * "N.many.example" has N addresses of IPv4, which over UDP are cut to what the client takes, as RFC 1035 has it, and
 * "cut.example" is always cut over UDP. "who.example" is the address that it listens on. Others do not exist.
 */
const HEADER_BYTES = 12;
const [TYPE_A, RCODE_NXDOMAIN] = [1, 3];
const FLAGS = 0x8180;
const TRUNCATED = 0x0200;
const PLAIN_UDP_BYTES = 512;

function answer(question: Buffer, own: string, transport: "udp" | "tcp"): Buffer {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  const isA = question.readUInt16BE(at + 1) === TYPE_A;
  const hasEdns = question.readUInt16BE(10) > 0;
  const limit =
    transport === "tcp"
      ? 65_535
      : hasEdns
        ? Math.max(PLAIN_UDP_BYTES, question.readUInt16BE(end + 3))
        : PLAIN_UDP_BYTES;
  const addresses = addressesOf(labels.join(".").toLowerCase(), own);
  const records = isA && addresses !== undefined ? addresses.map(recordOf) : [];
  const size = end + records.length * 16;
  const isCut = size > limit || (transport === "udp" && labels[0]?.toLowerCase() === "cut");
  const header = Buffer.alloc(HEADER_BYTES);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(FLAGS | (isCut ? TRUNCATED : 0) | (addresses === undefined ? RCODE_NXDOMAIN : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isCut ? 0 : records.length, 6);
  return Buffer.concat([header, question.subarray(HEADER_BYTES, end), ...(isCut ? [] : records)]);
}

function addressesOf(name: string, own: string): string[] | undefined {
  const many = /^(\d+)\.many\.example$/.exec(name)?.[1];
  if (many !== undefined) return Array.from({ length: Number(many) }, (_, i) => `192.0.2.${i % 256}`);
  if (name === "cut.example") return ["192.0.2.77"];
  return name === "who.example" ? [own] : undefined;
}

function recordOf(address: string): Buffer {
  const record = Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
  Buffer.from(address.split(".").map(Number)).copy(record, 12);
  return record;
}

for (const address of process.argv.slice(2)) {
  const udp = createSocket("udp4");
  udp.on("message", (question, from) => udp.send(answer(question, address, "udp"), from.port, from.address));
  udp.bind(53, address);
  createServer((client) => {
    let bytes = Buffer.alloc(0);
    client.on("error", () => client.destroy());
    client.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const end = 2 + bytes.readUInt16BE(0);
        const reply = answer(bytes.subarray(2, end), address, "tcp");
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        client.write(Buffer.concat([length, reply]));
        bytes = bytes.subarray(end);
      }
    });
  }).listen(53, address, () => console.log(`ready ${address}`));
}
