/** Mutual exclusion by key: one holder a key at a time, waiters in order of arrival. */
export interface KeyedMutex {
  acquire(key: string): Promise<Lock>;
}

/** Dispose it to let the next one in. */
export interface Lock extends Disposable {
  /** Resolves once somebody waits for it. */
  readonly wanted: Promise<void>;
}

export function keyedMutex(): KeyedMutex {
  /** The last in each line: its end, and how to tell it that another one came. */
  const tails = new Map<string, { readonly ended: Promise<void>; readonly want: () => void }>();
  return {
    async acquire(key) {
      const before = tails.get(key);
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const { promise: wanted, resolve: want } = Promise.withResolvers<void>();
      const tail = { ended, want };
      tails.set(key, tail);
      before?.want();
      await before?.ended;
      return {
        wanted,
        [Symbol.dispose]() {
          if (tails.get(key) === tail) tails.delete(key);
          end();
        },
      };
    },
  };
}
