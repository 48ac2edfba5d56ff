import { UsageError } from "./usage-error.ts";

/** "bool" takes no value; "list" may be repeated; the others keep their last value. `type` is shown in the help. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly kind: "bool" | "string" | "int" | "list";
  /** The word behind the name in the help: "string", "bytes", "duration"… */
  readonly type: string;
  readonly fallback?: string;
  readonly description: string;
  /** Understood, but not shown: another spelling of another flag. */
  readonly aliasOf?: string;
}

/** Flags of a command line after parsing. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly #flags: ReadonlyMap<string, Flag>;

  constructor(values: ReadonlyMap<string, readonly string[]>, flags: ReadonlyMap<string, Flag>) {
    this.#values = values;
    this.#flags = flags;
  }

  /** Was it given, whatever its value? */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  bool(name: string): boolean {
    return this.string(name) === "true";
  }

  /** The last value given, or the fallback, or "". */
  string(name: string): string {
    return this.#values.get(name)?.at(-1) ?? this.#flags.get(name)?.fallback ?? "";
  }

  /** As `string`, but undefined when neither was given nor has a fallback. */
  optional(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  int(name: string): number | undefined {
    const text = this.optional(name);
    return text === undefined ? undefined : Number(text);
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

/**
 * Take a command line apart as pflag does, which Docker's clients are used to: --name=value, --name value, -n value,
 * -nvalue, -abc, "--" ends the flags. With `interspersed` false the first word that is no flag ends them too (so that
 * `run IMAGE -x` gives -x to the container). Throws UsageError in pflag's words.
 */
export function parseFlags(
  args: readonly string[],
  flags: readonly Flag[],
  interspersed: boolean,
): { values: FlagValues; rest: string[] } {
  const byName = new Map(flags.map((flag) => [flag.name, flag]));
  const byShort = new Map(flags.flatMap((flag) => (flag.short === undefined ? [] : [[flag.short, flag]])));
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  const set = (flag: Flag, text: string, spelling: string) => {
    const value = check(flag, text, spelling);
    const name = flag.aliasOf ?? flag.name;
    const known = values.get(name);
    if (known === undefined || flag.kind !== "list") values.set(name, [value]);
    else known.push(value);
  };

  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--") {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      rest.push(word);
      if (interspersed) continue;
      rest.push(...args.slice(at + 1));
      break;
    }
    if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      const flag = byName.get(name);
      if (flag === undefined) throw new UsageError(`unknown flag: --${name}`);
      if (equals >= 0) set(flag, word.slice(equals + 1), `--${name}`);
      else if (flag.kind === "bool") set(flag, "true", `--${name}`);
      else if (at + 1 >= args.length) throw new UsageError(`flag needs an argument: --${name}`);
      else set(flag, args[++at] ?? "", `--${name}`);
      continue;
    }
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] ?? "";
      const flag = byShort.get(letter);
      if (flag === undefined) throw new UsageError(`unknown shorthand flag: '${letter}' in ${word}`);
      const spelling = `-${letter}, --${flag.name}`;
      if (word[i + 1] === "=") {
        set(flag, word.slice(i + 2), spelling);
        break;
      }
      if (flag.kind === "bool") {
        set(flag, "true", spelling);
        continue;
      }
      if (i + 1 < word.length) set(flag, word.slice(i + 1), spelling);
      else if (at + 1 >= args.length) throw new UsageError(`flag needs an argument: '${letter}' in ${word}`);
      else set(flag, args[++at] ?? "", spelling);
      break;
    }
  }
  return { values: new FlagValues(values, byName), rest };
}

const TRUE = /^(1|t|T|TRUE|true|True)$/;
const FALSE = /^(0|f|F|FALSE|false|False)$/;

function check(flag: Flag, text: string, spelling: string): string {
  if (flag.kind === "bool") {
    if (TRUE.test(text)) return "true";
    if (FALSE.test(text)) return "false";
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "${spelling}" flag: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  if (flag.kind === "int" && !/^[+-]?\d+$/.test(text)) {
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "${spelling}" flag: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  return text;
}
