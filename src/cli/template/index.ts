import { FUNCTIONS, formatValue, isTrue } from "./functions.ts";
import { type Chain, type CommandWords, type Node, type Pipeline, parseTemplate } from "./parser.ts";
import { TemplateError } from "./template-error.ts";

export { NIL_POINTER, nilList, nilMap } from "./nil.ts";

/**
 * A template of Go's text/template, as `--format` takes it: fields, variables, pipelines, if, with, range, and
 * Docker's functions (json, join, upper, …). Values are plain objects; a function among their properties is a method.
 */
export interface Template {
  /** Throws TemplateError when a field is missing or a function refuses its arguments. */
  render(value: unknown): string;
}

/** Parse once, render many times. Throws TemplateError in Docker's words. */
export function compileTemplate(source: string): Template {
  const nodes = wrapped("template parsing error: ", () => parseTemplate(source));
  for (const name of functionsOf(nodes)) {
    if (FUNCTIONS[name] === undefined)
      throw new TemplateError(`template parsing error: template: :1: function "${name}" not defined`);
  }
  return {
    render(value) {
      const scope = new Map<string, unknown>([["$", value]]);
      return wrapped("template parsing error: ", () => renderAll(nodes, value, scope));
    },
  };
}

function wrapped<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new TemplateError(`${prefix}template: :1: ${error.message}`);
    throw error;
  }
}

type Scope = Map<string, unknown>;

function renderAll(nodes: readonly Node[], dot: unknown, scope: Scope): string {
  let out = "";
  for (const node of nodes) out += renderNode(node, dot, scope);
  return out;
}

function renderNode(node: Node, dot: unknown, scope: Scope): string {
  if (node.kind === "text") return node.text;
  const value = valueOfPipeline(node.pipeline, dot, scope);
  if (node.kind === "output") {
    if (node.pipeline.declares.length > 0) {
      for (const name of node.pipeline.declares) scope.set(name, value);
      return "";
    }
    return formatValue(value);
  }
  if (node.kind === "range") return renderRange(node, value, dot, scope);
  const inner = new Map(scope);
  for (const name of node.pipeline.declares) inner.set(name, value);
  if (!isTrue(value)) return renderAll(node.otherwise, dot, inner);
  return renderAll(node.body, node.kind === "with" ? value : dot, inner);
}

function renderRange(
  node: Node & { kind: "if" | "with" | "range" },
  value: unknown,
  dot: unknown,
  scope: Scope,
): string {
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((item, at) => [at, item])
    : Object.entries(Object(value ?? {})).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return renderAll(node.otherwise, dot, scope);
  const [first, second] = node.pipeline.declares;
  let out = "";
  for (const [key, item] of entries) {
    const inner = new Map(scope);
    if (second !== undefined) inner.set(second, item);
    if (first !== undefined) inner.set(first, second === undefined ? item : key);
    out += renderAll(node.body, item, inner);
  }
  return out;
}

function valueOfPipeline({ commands }: Pipeline, dot: unknown, scope: Scope): unknown {
  let value: unknown;
  commands.forEach((words, at) => {
    value = callCommand(words, dot, scope, at === 0 ? [] : [value]);
  });
  return value;
}

function callCommand(words: CommandWords, dot: unknown, scope: Scope, piped: readonly unknown[]): unknown {
  const [first, ...others] = words;
  if (first === undefined) return undefined;
  const args = [...others.map((word) => resolve(word, dot, scope, [])), ...piped];
  return resolve(first, dot, scope, args);
}

/** The value of a word; `args` go to the function or method at its end. */
function resolve({ operand, fields }: Chain, dot: unknown, scope: Scope, args: readonly unknown[]): unknown {
  let value: unknown;
  switch (operand.kind) {
    case "literal":
      value = operand.value;
      break;
    case "dot":
      value = dot;
      break;
    case "variable":
      if (!scope.has(operand.name)) throw new TemplateError(`undefined variable "${operand.name}"`);
      value = scope.get(operand.name);
      break;
    case "pipeline":
      value = valueOfPipeline(operand.pipeline, dot, scope);
      break;
    case "function":
      value = FUNCTIONS[operand.name]?.(...(fields.length === 0 ? args : []));
      break;
  }
  fields.forEach((name, at) => {
    value = fieldOf(value, name, fields, at === fields.length - 1 ? args : []);
  });
  return value;
}

function fieldOf(value: unknown, name: string, path: readonly string[], args: readonly unknown[]): unknown {
  if (value === null || value === undefined)
    throw new TemplateError(`executing "" at <.${path.join(".")}>: nil data; no entry for key "${name}"`);
  if (typeof value !== "object" || Array.isArray(value))
    throw new TemplateError(
      `executing "" at <.${path.join(".")}>: can't evaluate field ${name} in type ${Array.isArray(value) ? "[]interface {}" : typeof value}`,
    );
  if (!Object.hasOwn(value, name))
    throw new TemplateError(`executing "" at <.${path.join(".")}>: map has no entry for key "${name}"`);
  const field: unknown = Reflect.get(value, name);
  return typeof field === "function" ? field(...args) : field;
}

function functionsOf(nodes: readonly Node[]): string[] {
  const inPipeline = ({ commands }: Pipeline): string[] =>
    commands
      .flat()
      .flatMap(({ operand }) =>
        operand.kind === "function"
          ? [operand.name]
          : operand.kind === "pipeline"
            ? inPipeline(operand.pipeline)
            : [],
      );
  return nodes.flatMap((node) =>
    node.kind === "text"
      ? []
      : node.kind === "output"
        ? inPipeline(node.pipeline)
        : [...inPipeline(node.pipeline), ...functionsOf(node.body), ...functionsOf(node.otherwise)],
  );
}
