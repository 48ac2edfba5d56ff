import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseIp } from "../units/index.ts";
import {
  type Answer,
  answersQuestion,
  describeReply,
  encodeAnswer,
  encodeName,
  parseQuestion,
  RCODE,
  reverseAddress,
  TYPE,
  truncateReply,
} from "./message.ts";

function ask(name: string, type: number = TYPE.A, edns?: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(0x1234, 0);
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  const opt = edns === undefined ? [] : [Buffer.from([0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0])];
  return Buffer.concat([header, encodeName(name), Buffer.from([0, type, 0, 1]), ...opt]);
}

const ip = (text: string) => parseIp(text) ?? { family: 4 as const, value: 0n };
const question = (bytes: Buffer) => {
  const parsed = parseQuestion(bytes);
  if (parsed === undefined) throw new Error("no question");
  return parsed;
};

test("a question is read", () => {
  expect(question(ask("Web.app", TYPE.AAAA, 1232))).toMatchObject({
    id: 0x1234,
    name: "Web.app",
    type: TYPE.AAAA,
    udpBytes: 1232,
    hasEdns: true,
    recursionDesired: true,
  });
  expect(question(ask("web")).udpBytes).toBe(512);
});

test("whatever bytes come, reading them ends and does not throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const parsed = parseQuestion(Buffer.from(bytes));
      if (parsed !== undefined) expect(parsed.name.length).toBeLessThanOrEqual(255);
      describeReply(Buffer.from(bytes));
    }),
  );
  // The same behind a head that looks like a question.
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      parseQuestion(Buffer.concat([ask("").subarray(0, 12), Buffer.from(bytes)]));
    }),
  );
});

test("a question that was cut anywhere is none", () => {
  const whole = ask("web.example.org");
  for (let size = 0; size < whole.length; size++)
    expect(parseQuestion(whole.subarray(0, size))).toBeUndefined();
});

test("answers repeat the question and fit", () => {
  const asked = question(ask("web"));
  const addresses = Array.from({ length: 60 }, (_, i) => ip(`10.0.0.${i + 1}`));
  const answer: Answer = {
    rcode: RCODE.NOERROR,
    authoritative: true,
    records: addresses.map((address) => ({ type: TYPE.A, address })),
  };
  const whole = encodeAnswer(asked, answer, 65_535);
  expect(describeReply(whole)).toEqual({ id: 0x1234, rcode: 0, truncated: false });
  expect(answersQuestion(whole, asked)).toBe(true);
  expect(whole.readUInt16BE(6)).toBe(60);
  const cut = encodeAnswer(asked, answer, 512);
  expect(cut.length).toBeLessThanOrEqual(512);
  expect(describeReply(cut)?.truncated).toBe(true);
  expect(describeReply(truncateReply(whole, asked))?.truncated).toBe(true);
  expect(answersQuestion(truncateReply(whole, asked), asked)).toBe(true);
});

test("an answer to another question is told apart", () => {
  const reply = encodeAnswer(question(ask("web")), { rcode: 0, authoritative: true, records: [] }, 512);
  expect(answersQuestion(reply, question(ask("WEB")))).toBe(true);
  expect(answersQuestion(reply, question(ask("wev")))).toBe(false);
  expect(answersQuestion(reply, question(ask("web", TYPE.AAAA)))).toBe(false);
});

test("names of reverse look-ups are addresses", () => {
  expect(reverseAddress("1.2.0.10.in-addr.arpa")).toEqual(ip("10.0.2.1"));
  expect(reverseAddress(`${"1.".padEnd(64, "0.")}ip6.arpa`)).toEqual(ip("::1"));
  for (const wrong of ["300.2.0.10.in-addr.arpa", "1.2.0.in-addr.arpa", "web", "0.ip6.arpa"])
    expect(reverseAddress(wrong)).toBeUndefined();
});
