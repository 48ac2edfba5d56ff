/** Where what arrives at a port of the host is carried to; undefined: nowhere now. */
export type Target = { readonly address: string; readonly port: number } | undefined;

/** The same, at this moment. */
export type TargetOf = () => Target;
