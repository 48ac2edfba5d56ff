import { TemplateError } from "./template-error.ts";

export type Token =
  | { readonly kind: "field" | "variable" | "word" | "string" | "number" | "symbol"; readonly text: string }
  | { readonly kind: "dot"; readonly text: "." };

/** A template cut into text and what stands between {{ and }}. */
export type Piece = { readonly text: string } | { readonly tokens: readonly Token[] };

/** Cut a template (text/template of Go, "Actions" and "Text and spaces"). Throws TemplateError. */
export function cutTemplate(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  const addText = (text: string, trimEnd: boolean) => {
    const left = trimNext ? text.trimStart() : text;
    pieces.push({ text: trimEnd ? left.trimEnd() : left });
  };
  for (;;) {
    const open = source.indexOf("{{", at);
    if (open < 0) break;
    let from = open + 2;
    const trimsLeft = source[from] === "-" && /\s/.test(source[from + 1] ?? "");
    addText(source.slice(at, open), trimsLeft);
    if (trimsLeft) from++;
    const close = endOfAction(source, from);
    const trimsRight = source[close - 1] === "-" && /\s/.test(source[close - 2] ?? "");
    const body = source.slice(from, trimsRight ? close - 1 : close);
    if (!/^\s*\/\*[\s\S]*\*\/\s*$/.test(body)) pieces.push({ tokens: tokensOf(body) });
    trimNext = trimsRight;
    at = close + 2;
  }
  addText(source.slice(at), false);
  return pieces;
}

/** Where the }} is, those within strings left out. */
function endOfAction(source: string, from: number): number {
  let quote = "";
  for (let at = from; at < source.length; at++) {
    const c = source[at] ?? "";
    if (quote !== "") {
      if (c === "\\" && quote === '"') at++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "`") quote = c;
    else if (c === "}" && source[at + 1] === "}") return at;
  }
  throw new TemplateError(quote === "" ? "unclosed action" : "unterminated quoted string");
}

const TOKEN =
  /\s*(?:(?<field>\.[A-Za-z_][\w]*)|(?<variable>\$[\w]*)|(?<number>[+-]?\d+(?:\.\d+)?)|(?<word>[A-Za-z_]\w*)|(?<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?<symbol>:=|[=|(),])|(?<dot>\.))/y;

function tokensOf(body: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (body.slice(TOKEN.lastIndex).trim() !== "") {
    const start = TOKEN.lastIndex;
    const groups = TOKEN.exec(body)?.groups;
    if (groups === undefined)
      throw new TemplateError(`unexpected ${JSON.stringify(body.slice(start).trim()[0])} in command`);
    // A field after a space begins a new operand; without one it belongs to what is before it.
    const glued = start > 0 && !/\s/.test(body[start] ?? "");
    const [kind = "dot", text = ""] = Object.entries(groups).find(([, value]) => value !== undefined) ?? [];
    if (kind === "field") tokens.push({ kind: "field", text: glued ? text : ` ${text}` });
    else if (kind === "string") tokens.push({ kind: "string", text: unquote(text) });
    else tokens.push({ kind, text } as Token);
  }
  return tokens;
}

function unquote(text: string): string {
  if (text.startsWith("`")) return text.slice(1, -1);
  try {
    return String(JSON.parse(text));
  } catch {
    throw new TemplateError(`invalid string ${text}`);
  }
}
