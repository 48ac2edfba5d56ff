import { RegistryError } from "../errors.ts";

/** What may be done; the words of a token's scope. */
export type Action = "pull" | "push" | "delete";

/** A right that a request needs: actions on one repository, or on the registry as a whole (its catalog and search). */
export type Access =
  | { readonly repository: string; readonly actions: readonly Action[] }
  | { readonly catalog: true };

/** Who sends a request. */
export interface Identity {
  /** "" for nobody in particular. */
  readonly name: string;
  may(access: Access): boolean;
}

/** Tells who sends a request, from its Authorization header. */
export interface AccessControl {
  /**
   * `needed` undefined: that the client is known is enough. Throws UNAUTHORIZED with a challenge, which tells the
   * client how to get the right it lacks.
   */
  identify(authorization: string | undefined, needed: Access | undefined): Promise<Identity>;
}

/** Lets everybody do everything. */
export const openAccess: AccessControl = {
  identify: async () => ({ name: "", may: () => true }),
};

export function unauthorized(challenge: string, needed: Access | undefined, why?: string): RegistryError {
  return new RegistryError("UNAUTHORIZED", why ?? "authentication required", {
    headers: { "WWW-Authenticate": challenge },
    ...(needed === undefined || "catalog" in needed
      ? {}
      : {
          detail: needed.actions.map((Action) => ({ Type: "repository", Name: needed.repository, Action })),
        }),
  });
}
