import { invalid } from "../../errors/index.ts";
import { parseJsonExactly } from "../../units/index.ts";

/** A value of a JSON document and where it stands, for reading it with errors that name the place. */
export class Field {
  readonly value: unknown;
  /** Such as "linux.resources.memory.limit". */
  readonly path: string;

  /** The name of the document, for errors. */
  readonly document: string;

  constructor(value: unknown, path: string, document = "config.json") {
    this.value = value;
    this.path = path;
    this.document = document;
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  get(name: string): Field {
    const object = this.object();
    const path = this.path === "" ? name : `${this.path}.${name}`;
    return new Field(Object.hasOwn(object, name) ? object[name] : undefined, path, this.document);
  }

  /** Whole numbers beyond a double's reach come as the nearest double. */
  integer(): number {
    if (typeof this.value === "bigint") return Number(this.value);
    if (typeof this.value === "number" && Number.isInteger(this.value)) return this.value;
    throw this.wrong("a whole number");
  }

  string(): string {
    if (typeof this.value === "string" && !this.value.includes("\0")) return this.value;
    throw this.wrong("a string without a NUL byte");
  }

  boolean(): boolean {
    if (this.isAbsent) return false;
    if (typeof this.value === "boolean") return this.value;
    throw this.wrong("true or false");
  }

  /** The items; none when absent. */
  list(): Field[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) throw this.wrong("a list");
    return this.value.map((item, index) => new Field(item, `${this.path}[${index}]`, this.document));
  }

  strings(): string[] {
    return this.list().map((item) => item.string());
  }

  /** The members by name; none when absent. */
  entries(): [name: string, field: Field][] {
    return Object.keys(this.object()).map((name) => [name, this.get(name)]);
  }

  /** The value, read, or undefined when absent. */
  maybe<T>(read: (field: Field) => T): T | undefined {
    return this.isAbsent ? undefined : read(this);
  }

  oneOf<T extends string>(words: readonly T[]): T {
    const word = words.find((known) => known === this.value);
    if (word === undefined) throw this.wrong(`one of ${words.join(", ")}`);
    return word;
  }

  wrong(wanted: string) {
    return invalid(`${this.document}: ${this.path || "the document"} must be ${wanted}`);
  }

  private object(): Readonly<Record<string, unknown>> {
    if (this.isAbsent) return {};
    if (typeof this.value === "object" && !Array.isArray(this.value))
      return this.value as Record<string, unknown>;
    throw this.wrong("an object");
  }
}

/** JSON in which whole numbers beyond a double's reach are bigints. Throws invalid with `what` for what is no JSON. */
export function parseJson(text: string, what: string): Field {
  try {
    return new Field(parseJsonExactly(text), "");
  } catch (cause) {
    throw invalid(`${what}: ${cause instanceof Error ? cause.message : "no JSON"}`, { cause });
  }
}

/** The object without its undefined members. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
