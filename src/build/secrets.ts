import type { OfferedSecrets } from "./service.ts";

/** An offer that no build takes is forgotten after so long. */
const UNCLAIMED_MS = 60_000;
const NONE: OfferedSecrets = { values: new Map(), agents: new Map() };

/** Secrets that clients left for their builds, in memory only. */
export class SecretOffers {
  readonly #offers = new Map<string, { offer: OfferedSecrets; timer: NodeJS.Timeout }>();

  put(session: string, offer: OfferedSecrets): void {
    this.take(session);
    const timer = setTimeout(() => this.#offers.delete(session), UNCLAIMED_MS);
    timer.unref();
    this.#offers.set(session, { offer, timer });
  }

  /** What was left for a session, once. */
  take(session: string): OfferedSecrets {
    const found = this.#offers.get(session);
    if (found === undefined) return NONE;
    clearTimeout(found.timer);
    this.#offers.delete(session);
    return found.offer;
  }
}
