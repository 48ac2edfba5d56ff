import { expect, test } from "bun:test";
import { Reader, typesOf, type Value, Writer } from "./marshal.ts";
import { decodeMessage, encodeCall, sizeOfMessage } from "./message.ts";

const write = (signature: string, ...values: Value[]): number[] => {
  const writer = new Writer();
  writer.write(signature, values);
  return [...writer.bytes()];
};

test("a signature is cut into its complete types", () => {
  expect(typesOf("ssa(sv)a(sa(sv))")).toEqual(["s", "s", "a(sv)", "a(sa(sv))"]);
  expect(() => typesOf("a(s")).toThrow("does not end");
});

test("values are aligned, little-endian, texts with their length before and a zero behind", () => {
  expect(write("ys", 1, "ab")).toEqual([1, 0, 0, 0, 2, 0, 0, 0, 97, 98, 0]);
  expect(write("yt", 1, 2n ** 64n - 1n)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, ...Array(8).fill(255)]);
  expect(write("v", { signature: "u", value: 7 })).toEqual([1, 117, 0, 0, 7, 0, 0, 0]);
});

test("the length of an array does not count what aligns its first element", () => {
  expect(write("at", [1n])).toEqual([8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  expect(write("a(sv)", [])).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});

test("what is written is read again", () => {
  const values: Value[] = [
    "unit",
    [
      ["PIDs", { signature: "au", value: [1, 2] }],
      ["Delegate", { signature: "b", value: true }],
    ],
    300n,
  ];
  const writer = new Writer();
  writer.write("sa(sv)t", values);
  expect(new Reader(writer.bytes()).read("sa(sv)t")).toEqual(values);
  expect(() => new Reader(writer.bytes().subarray(0, 20)).read("sa(sv)t")).toThrow("ends too early");
});

test("a call has its header fields, and its size is told from its beginning", () => {
  const call = {
    destination: "a.b",
    path: "/a",
    interface: "a.c",
    member: "Do",
    signature: "s",
    body: ["x"],
  };
  const bytes = encodeCall(call, 9);
  expect(sizeOfMessage(bytes)).toBe(bytes.length);
  expect(sizeOfMessage(bytes.subarray(0, 15))).toBeUndefined();
  expect(decodeMessage(bytes)).toMatchObject({ type: "call", path: "/a", member: "Do", body: ["x"] });
});
