/** Filters of a list call after parsing: key to the set of wanted values, both spellings of the wire accepted. */
export type Filters = ReadonlyMap<string, ReadonlySet<string>>;
