/** What clients may cost. */
export interface Limits {
  /** The time to send a request's head, all of it. */
  readonly headMs: number;
  /** A connection on which nothing moves for so long is cut, between requests and within them. */
  readonly idleMs: number;
  /** A body must bring `minBytesPerWindow` in each such time, or its sender holds the connection for nothing (slowloris). */
  readonly bodyWindowMs: number;
  readonly minBytesPerWindow: number;
  /** Further clients are turned away. */
  readonly maxConnections: number;
  /** Uploads that may be open at once, by all clients together. */
  readonly maxUploads: number;
}

export const DEFAULT_LIMITS: Limits = {
  headMs: 15_000,
  idleMs: 90_000,
  bodyWindowMs: 60_000,
  minBytesPerWindow: 16 * 1024,
  maxConnections: 4096,
  maxUploads: 10_000,
};
