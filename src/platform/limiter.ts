/** Run at most `count` at a time, in the order in which they were asked for. */
export type Limiter = <T>(work: () => Promise<T>) => Promise<T>;

export function limiter(count: number): Limiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= count) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place goes to the next in turn without becoming free between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
