/** Where what arrives at a port of the host is carried to, at this moment. */
export type TargetOf = () => { readonly address: string; readonly port: number } | undefined;
