import { type Dockerfile, expand, type Lookup } from "../../dockerfile/index.ts";
import { invalid } from "../../errors/index.ts";
import type { BuildRequest } from "../service.ts";

/** ARGs before the first FROM: build arguments, then defaults, each seeing those before it. */
export function globalArgs(
  file: Dockerfile,
  request: BuildRequest,
  automatic: ReadonlyMap<string, string>,
  used: Set<string>,
): Map<string, string> {
  const values = new Map<string, string>();
  for (const { args } of file.globalArgs) {
    for (const { key, value } of args) {
      used.add(key);
      const given = request.buildArgs.get(key);
      const lookup: Lookup = (name) => values.get(name) ?? automatic.get(name);
      if (given !== undefined) values.set(key, given);
      else if (value !== undefined) values.set(key, expand(value, file.escape, lookup));
    }
  }
  for (const [key, value] of automatic) if (!values.has(key)) values.set(key, value);
  return values;
}

/** What a person named with --build-context in place of an image. */
export function imageName({ namedContexts }: BuildRequest, reference: string): string {
  const other = namedContexts.get(reference);
  if (other === undefined) return reference;
  if (other.startsWith("docker-image://")) return other.slice("docker-image://".length);
  throw invalid(
    `the build context ${reference}=${other} cannot be used: want a folder, an address or docker-image://IMAGE`,
  );
}
