import type { Access, Action } from "../access/access.ts";
import { RegistryError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Registry } from "../registry.ts";

/** One method of a target. */
export interface Route {
  /** The right it needs; "known": that the client is known is enough; "anybody". */
  readonly access: Access | "known" | "anybody";
  run(exchange: Exchange): Promise<void> | void;
}

/** The methods of a target; GET stands for HEAD as well. */
export type Routes = Readonly<Record<string, Route>>;

export const to = (repository: string, ...actions: Action[]): Access => ({ repository, actions });

/** Throws UNSUPPORTED when nothing can be pushed here. */
export function checkPushable({ readOnly, cache }: Registry): void {
  if (readOnly) throw new RegistryError("UNSUPPORTED", "the registry is in read-only mode");
  if (cache !== undefined) {
    throw new RegistryError(
      "UNSUPPORTED",
      "the registry is a pull-through cache; push to the registry behind it",
    );
  }
}

/** Throws UNSUPPORTED when nothing can be deleted here. */
export function checkDeletable({ readOnly, deletes }: Registry): void {
  if (readOnly) throw new RegistryError("UNSUPPORTED", "the registry is in read-only mode");
  if (!deletes) throw new RegistryError("UNSUPPORTED", "deleting is disabled on this registry");
}
