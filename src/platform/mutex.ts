/** Mutual exclusion by key: one holder a key at a time, waiters in order of arrival. */
export interface KeyedMutex {
  /** Dispose the result to let the next one in. */
  acquire(key: string): Promise<Disposable>;
}

export function keyedMutex(): KeyedMutex {
  const tails = new Map<string, Promise<void>>();
  return {
    async acquire(key) {
      const before = tails.get(key);
      const { promise, resolve } = Promise.withResolvers<void>();
      tails.set(key, promise);
      await before;
      return {
        [Symbol.dispose]() {
          if (tails.get(key) === promise) tails.delete(key);
          resolve();
        },
      };
    },
  };
}
