import { invalid } from "../../errors/index.ts";

/** What `--chmod` makes of a mode: a number in octal, or chmod(1)'s symbols ("u=rwX,go=rX"). Throws invalid. */
export function parseChmod(text: string): (mode: number, isFolder: boolean) => number {
  if (text === "") return (mode) => mode;
  if (/^[0-7]{1,5}$/.test(text)) {
    const fixed = Number.parseInt(text, 8);
    if (fixed <= 0o7777) return () => fixed;
  }
  const clauses = text.split(",").map((clause) => {
    const [, who = "", operations = ""] = /^([ugoa]*)((?:[-+=][rwxXst]*|[-+=][ugo])+)$/.exec(clause) ?? [];
    if (operations === "")
      throw invalid(
        `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777, or symbolic`,
      );
    return {
      who: who === "" || who.includes("a") ? "ugo" : who,
      operations: operations.match(/[-+=][rwxXstugo]*/g) ?? [],
    };
  });
  return (mode, isFolder) => {
    let result = mode;
    for (const { who, operations } of clauses)
      for (const operation of operations) result = apply(result, who, operation, isFolder, mode);
    return result;
  };
}

const SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

function apply(mode: number, who: string, operation: string, isFolder: boolean, original: number): number {
  const [sign = "=", ...what] = operation;
  let bits = 0;
  let cleared = 0;
  for (const class_ of who) {
    const shift = SHIFT[class_] ?? 0;
    cleared |= 0o7 << shift;
    for (const letter of what)
      bits |= bitsOf(letter, shift, class_, isFolder || (original & 0o111) !== 0, mode);
    if (class_ === "u") cleared |= 0o4000;
    if (class_ === "g") cleared |= 0o2000;
  }
  if (sign === "+") return mode | bits;
  if (sign === "-") return mode & ~bits;
  return (mode & ~cleared) | bits;
}

function bitsOf(letter: string, shift: number, class_: string, mayExecute: boolean, mode: number): number {
  switch (letter) {
    case "r":
      return 0o4 << shift;
    case "w":
      return 0o2 << shift;
    case "x":
      return 0o1 << shift;
    case "X":
      return mayExecute ? 0o1 << shift : 0;
    case "s":
      return class_ === "u" ? 0o4000 : class_ === "g" ? 0o2000 : 0;
    case "t":
      return 0o1000;
    default:
      return ((mode >> (SHIFT[letter] ?? 0)) & 0o7) << shift;
  }
}
