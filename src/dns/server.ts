import type { IpAddress } from "../units/index.ts";
import type { Upstream } from "./ask.ts";
import { createForwarder } from "./forward.ts";
import {
  type AnswerRecord,
  CLASS_IN,
  encodeAnswer,
  parseQuestion,
  type Question,
  RCODE,
  reverseAddress,
  TYPE,
  truncateReply,
} from "./message.ts";
import type { Responder } from "./relay.ts";

/** What one client, a container, may know. */
export interface View {
  /** Addresses of a name, of both families; undefined when nobody has it. */
  lookUp(name: string): readonly IpAddress[] | undefined;
  /** Name of an address. */
  reverse(address: IpAddress): string | undefined;
  /** Who is asked for everything else; empty = nobody. */
  readonly servers: readonly Upstream[];
  /** Names of one label are this network's or nobody's. */
  readonly singleLabelsStay: boolean;
}

const MAX_TCP_BYTES = 65_535;
const OPCODE_QUERY = 0;

/** Answers questions from the view of the container that they come from, and passes on what is not for the view. */
export function createResponder(viewOf: (key: bigint) => View | undefined): Responder {
  const forwarder = createForwarder();
  return async (key, message, transport, askFromClient) => {
    const question = parseQuestion(message);
    const view = viewOf(key);
    if (question === undefined || view === undefined) return undefined;
    const maxBytes = transport === "tcp" ? MAX_TCP_BYTES : question.udpBytes;
    const refuse = (rcode: number) =>
      encodeAnswer(question, { rcode, records: [], authoritative: false }, maxBytes);
    if (question.opcode !== OPCODE_QUERY) return refuse(RCODE.NOTIMP);
    const records = question.class === CLASS_IN ? recordsOf(question, view) : undefined;
    if (records !== undefined)
      return encodeAnswer(
        question,
        { rcode: RCODE.NOERROR, records: rotate(records), authoritative: true },
        maxBytes,
      );
    if (staysHere(question, view)) return refuse(RCODE.NXDOMAIN);
    const reply = await forwarder.forward(message, question, view.servers, askFromClient);
    if (reply === undefined) return refuse(RCODE.SERVFAIL);
    return reply.length > maxBytes ? truncateReply(reply, question) : reply;
  };
}

/** Undefined when the view does not know the name; a name without a record of this type has none, but is known. */
function recordsOf(question: Question, view: View): AnswerRecord[] | undefined {
  if (question.type === TYPE.PTR) {
    const address = reverseAddress(question.name);
    const name = address === undefined ? undefined : view.reverse(address);
    return name === undefined ? undefined : [{ type: TYPE.PTR, name }];
  }
  const addresses = view.lookUp(question.name);
  if (addresses === undefined) return undefined;
  const family = question.type === TYPE.A ? 4 : question.type === TYPE.AAAA ? 6 : undefined;
  return addresses
    .filter((address) => address.family === family)
    .map((address) => ({ type: address.family === 4 ? TYPE.A : TYPE.AAAA, address }));
}

function staysHere({ name, type }: Question, { servers, singleLabelsStay }: View): boolean {
  if (servers.length === 0) return true;
  return singleLabelsStay && !name.includes(".") && (type === TYPE.A || type === TYPE.AAAA);
}

let turn = 0;
/** Clients take the first address, so each gets to be the first. */
function rotate<T>(items: readonly T[]): T[] {
  if (items.length < 2) return [...items];
  turn = (turn + 1) % 0x10000;
  const at = turn % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
