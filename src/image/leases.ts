/**
 * What work in progress relies on: chains and blobs that no image row speaks for yet. Garbage collection leaves them
 * alone. Held in memory only, because work does not outlive the process; what it leaves is found at the next start.
 */
export class Leases {
  readonly #held = new Map<string, number>();

  /** Hold these digests until the lease is disposed. More may be added meanwhile. */
  take(): Lease {
    const mine: string[] = [];
    return {
      add: (digest) => {
        mine.push(digest);
        this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
      },
      [Symbol.dispose]: () => {
        for (const digest of mine.splice(0)) this.#release(digest);
      },
    };
  }

  isHeld(digest: string): boolean {
    return this.#held.has(digest);
  }

  #release(digest: string): void {
    const count = (this.#held.get(digest) ?? 1) - 1;
    if (count === 0) this.#held.delete(digest);
    else this.#held.set(digest, count);
  }
}

export interface Lease extends Disposable {
  add(digest: string): void;
}
