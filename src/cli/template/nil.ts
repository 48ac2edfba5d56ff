/** Go's nil of a list: printed as "[]", told as null in JSON. */
export const nilList = (): unknown => asNull([]);

/** Go's nil of a map: printed as "map[]", told as null in JSON. */
export const nilMap = (): unknown => asNull({});

/** Go's nil of a pointer: printed as "<nil>", told as null in JSON. */
export const NIL_POINTER: unknown = Object.freeze(asNull({}));

function asNull(value: object): object {
  return Object.defineProperty(value, "toJSON", { value: () => null });
}
