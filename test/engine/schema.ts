/** What of Swagger 2.0 the Engine API's description uses for the bodies of answers. */
export interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly "x-nullable"?: boolean;
  readonly "x-omitempty"?: boolean;
}

export interface Description {
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { responses: Readonly<Record<string, { schema?: Schema }>> }>>>
  >;
}

/**
 * Compare a value with a schema: one line for each field of the wrong type, for each required one that is missing, and
 * for each missing one of an object that is not said to leave empty fields out.
 */
export function compareWithSchema(description: Description, schema: Schema, value: unknown): string[] {
  const problems: string[] = [];
  const visit = (given: Schema, item: unknown, path: string): void => {
    const { $ref, allOf } = given;
    if ($ref !== undefined) {
      const name = $ref.replace("#/definitions/", "");
      const target = description.definitions[name];
      if (target === undefined) throw new Error(`the description lacks ${$ref}`);
      visit(target, item, path);
      return;
    }
    for (const part of allOf ?? []) visit(part, item, path);
    // Go's nil slices, maps and pointers are null; the description says so for few of them.
    if (item === null) {
      if (["string", "integer", "boolean"].includes(given.type ?? "") && given["x-nullable"] !== true)
        problems.push(`${path} is null`);
      return;
    }
    if (given.type !== undefined && !isOfType(given.type, item)) {
      problems.push(`${path} is ${JSON.stringify(item)}, not of type ${given.type}`);
      return;
    }
    if (given.enum !== undefined && !given.enum.includes(item))
      problems.push(`${path} is ${JSON.stringify(item)}, which is not among ${given.enum.join(", ")}`);
    if (Array.isArray(item))
      for (const [at, one] of item.entries()) visit(given.items ?? {}, one, `${path}[${at}]`);
    else if (typeof item === "object") visitFields(given, item as Record<string, unknown>, path);
  };
  const visitFields = (given: Schema, item: Readonly<Record<string, unknown>>, path: string): void => {
    for (const name of given.required ?? [])
      if (!(name in item)) problems.push(`${path}.${name} is required`);
    for (const [name, field] of Object.entries(given.properties ?? {})) {
      if (name in item) visit(field, item[name], `${path}.${name}`);
      else if (field["x-omitempty"] !== true) problems.push(`${path}.${name} is missing`);
    }
    if (typeof given.additionalProperties !== "object") return;
    for (const [name, one] of Object.entries(item)) visit(given.additionalProperties, one, `${path}.${name}`);
  };
  visit(schema, value, "");
  return problems;
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}
