/** A column's text, or undefined for NULL. */
export const textOrUndefined = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined;

/** The row, or undefined where the driver says null. */
export const rowOrUndefined = <Row>(row: Row | null | undefined): Row | undefined => row ?? undefined;

/** One page of a listing. */
export interface Page {
  /** At most so many; 0 gives an empty page. */
  readonly limit: number;
  /** Begin behind this one. */
  readonly after: string | undefined;
}

export interface Paged<Item> {
  readonly items: readonly Item[];
  /** Whether another page follows. */
  readonly more: boolean;
}

/** A page out of rows that were asked for with one more than the limit. */
export function paged<Item>(rows: readonly Item[], limit: number): Paged<Item> {
  return { items: rows.slice(0, limit), more: limit > 0 && rows.length > limit };
}
