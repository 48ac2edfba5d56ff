import { invalid } from "../../errors/index.ts";

/** The name of a slice (systemd.slice(5), systemd.unit(5)): words with dashes between them, each the slice above the next. */
const SLICE = /^(-|[\w.@:\\]+(-[\w.@:\\]+)*)\.slice$/;

export const isSlice = (name: string): boolean => SLICE.test(name) && name.length <= 255;

/** Folder of a slice below that of its manager: "a-b.slice" lies in "a.slice", and "-.slice" is the root. Throws invalid. */
export function slicePath(name: string): string {
  if (!isSlice(name)) throw invalid(`${name} is no name of a slice`);
  const words = name.slice(0, -".slice".length).split("-");
  if (name === "-.slice") return "";
  return words.map((_, index) => `/${words.slice(0, index + 1).join("-")}.slice`).join("");
}
