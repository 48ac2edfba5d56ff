import { cutTemplate, type Piece, type Token } from "./lexer.ts";
import { TemplateError } from "./template-error.ts";

export type Operand =
  | { readonly kind: "literal"; readonly value: unknown }
  | { readonly kind: "dot" }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipeline"; readonly pipeline: Pipeline };
/** An operand and the fields behind it: `.A.B`, `$x.A`, `(index . 0).A`. */
export interface Chain {
  readonly operand: Operand;
  readonly fields: readonly string[];
}
/** Words of a command, the first of which may be called with the others. */
export type CommandWords = readonly Chain[];
export interface Pipeline {
  readonly declares: readonly string[];
  readonly commands: readonly CommandWords[];
}
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "output"; readonly pipeline: Pipeline }
  | {
      readonly kind: "if" | "with" | "range";
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** Parse a template. Throws TemplateError. */
export function parseTemplate(source: string): Node[] {
  const parser = new Parser(cutTemplate(source));
  const { nodes, end } = parser.block();
  if (end !== undefined) throw new TemplateError(`unexpected {{${end}}}`);
  return nodes;
}

class Parser {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Nodes up to the end, {{end}} or {{else}}; tokens behind an else are given back. */
  block(): { nodes: Node[]; end?: "end" | "else"; elseTokens?: readonly Token[] } {
    const nodes: Node[] = [];
    while (this.#at < this.#pieces.length) {
      const piece = this.#pieces[this.#at++];
      if (piece === undefined) break;
      if ("text" in piece) {
        if (piece.text !== "") nodes.push({ kind: "text", text: piece.text });
        continue;
      }
      const [first, ...others] = piece.tokens;
      if (first === undefined) throw new TemplateError("missing value for command");
      if (first.kind === "word" && first.text === "end") return { nodes, end: "end" };
      if (first.kind === "word" && first.text === "else") return { nodes, end: "else", elseTokens: others };
      nodes.push(
        first.kind === "word" && isControl(first.text)
          ? this.#control(first.text, others)
          : { kind: "output", pipeline: pipelineOf(piece.tokens) },
      );
    }
    return { nodes };
  }

  #control(kind: "if" | "with" | "range", tokens: readonly Token[]): Node {
    const pipeline = pipelineOf(tokens);
    const { nodes: body, end, elseTokens = [] } = this.block();
    if (end === undefined) throw new TemplateError("unexpected EOF");
    if (end === "end") return { kind, pipeline, body, otherwise: [] };
    const [next, ...rest] = elseTokens;
    if (next !== undefined) {
      if (next.kind !== "word" || !isControl(next.text))
        throw new TemplateError(`unexpected ${next.text} in else`);
      return { kind, pipeline, body, otherwise: [this.#control(next.text, rest)] };
    }
    const other = this.block();
    if (other.end !== "end") throw new TemplateError("unexpected EOF");
    return { kind, pipeline, body, otherwise: other.nodes };
  }
}

const isControl = (word: string): word is "if" | "with" | "range" =>
  word === "if" || word === "with" || word === "range";

function pipelineOf(tokens: readonly Token[]): Pipeline {
  const assignment = tokens.findIndex(
    ({ text, kind }) => kind === "symbol" && (text === ":=" || text === "="),
  );
  const declares = tokens
    .slice(0, Math.max(assignment, 0))
    .filter(({ kind }) => kind === "variable")
    .map(({ text }) => text);
  const reader = { tokens: tokens.slice(assignment + 1), at: 0 };
  const commands = commandsOf(reader);
  if (reader.at < reader.tokens.length)
    throw new TemplateError(`unexpected ${reader.tokens[reader.at]?.text} in command`);
  return { declares, commands };
}

interface Reader {
  readonly tokens: readonly Token[];
  at: number;
}

function commandsOf(reader: Reader): CommandWords[] {
  const commands: CommandWords[] = [];
  for (;;) {
    const words: Chain[] = [];
    for (let token = reader.tokens[reader.at]; token !== undefined; token = reader.tokens[reader.at]) {
      if (token.kind === "symbol" && (token.text === "|" || token.text === ")")) break;
      words.push(chainOf(reader));
    }
    if (words.length === 0) throw new TemplateError("missing value for command");
    commands.push(words);
    if (reader.tokens[reader.at]?.text !== "|") return commands;
    reader.at++;
  }
}

function chainOf(reader: Reader): Chain {
  const token = reader.tokens[reader.at++];
  const fields: string[] = [];
  let operand: Operand;
  switch (token?.kind) {
    case "field":
      operand = { kind: "dot" };
      fields.push(token.text.trim().slice(1));
      break;
    case "dot":
      operand = { kind: "dot" };
      break;
    case "variable":
      operand = { kind: "variable", name: token.text };
      break;
    case "string":
      operand = { kind: "literal", value: token.text };
      break;
    case "number":
      operand = { kind: "literal", value: Number(token.text) };
      break;
    case "word":
      operand = wordOf(token.text);
      break;
    default:
      if (token?.text !== "(")
        throw new TemplateError(`unexpected ${JSON.stringify(token?.text ?? "EOF")} in operand`);
      operand = { kind: "pipeline", pipeline: { declares: [], commands: commandsOf(reader) } };
      if (reader.tokens[reader.at++]?.text !== ")") throw new TemplateError("unclosed left paren");
  }
  for (let next = reader.tokens[reader.at]; next?.kind === "field"; next = reader.tokens[reader.at]) {
    if (next.text.startsWith(" ")) break;
    fields.push(next.text.slice(1));
    reader.at++;
  }
  return { operand, fields };
}

function wordOf(word: string): Operand {
  if (word === "true" || word === "false") return { kind: "literal", value: word === "true" };
  if (word === "nil") return { kind: "literal", value: null };
  return { kind: "function", name: word };
}
