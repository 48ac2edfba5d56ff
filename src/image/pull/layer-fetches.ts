import { cancelled } from "../../errors/index.ts";
import { limiter } from "../../platform/index.ts";
import type { ProgressMessage } from "../../wire/index.ts";
import type { Report } from "../progress/index.ts";
import { bringLayer, type LayerPlace, type WantedLayer } from "./bring-layer.ts";

/** As many as Docker downloads at a time ("max-concurrent-downloads"). */
const DOWNLOADS = 3;

interface Fetch {
  readonly done: Promise<void>;
  readonly stop: AbortController;
  readonly listeners: Set<Report>;
  /** What was said last, for who joins later. */
  last: ProgressMessage | undefined;
}

/**
 * The layers that are being brought in, each once however many pulls want it. A fetch goes on as long as anybody waits
 * for it, whoever started it.
 */
export class LayerFetches {
  readonly #running = new Map<string, Fetch>();
  readonly #downloads = limiter(DOWNLOADS);

  /** Resolves when the layer is committed and its blob is kept. On abort, when nothing is left of the attempt. */
  async obtain(context: LayerPlace, layer: WantedLayer, report: Report, signal: AbortSignal): Promise<void> {
    const fetch = this.#running.get(layer.chainId + layer.digest) ?? this.#start(context, layer);
    if (fetch.last !== undefined) report(fetch.last);
    fetch.listeners.add(report);
    const { promise: left, reject: leave } = Promise.withResolvers<never>();
    const stop = () => leave(cancelled("the pull was cancelled", { cause: signal.reason }));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await Promise.race([fetch.done, left]);
    } finally {
      signal.removeEventListener("abort", stop);
      fetch.listeners.delete(report);
      if (fetch.listeners.size === 0) {
        this.#forget(layer, fetch);
        fetch.stop.abort();
        await fetch.done.catch(() => undefined);
      }
    }
  }

  #start(context: LayerPlace, layer: WantedLayer): Fetch {
    const stop = new AbortController();
    const listeners = new Set<Report>();
    const tell: Report = (message) => {
      fetch.last = message;
      for (const listener of listeners) listener(message);
    };
    const below = this.#below(layer);
    // Its failure is met where it is awaited, which may be never.
    below.catch(() => undefined);
    const how = { below, downloads: this.#downloads, report: tell };
    const done = Promise.resolve().then(() => bringLayer(context, layer, how, stop.signal));
    done.catch(() => undefined);
    const fetch: Fetch = { done, stop, listeners, last: undefined };
    this.#running.set(layer.chainId + layer.digest, fetch);
    done.catch(() => undefined).finally(() => this.#forget(layer, fetch));
    return fetch;
  }

  /** The layer below, when it is on its way as well. */
  #below({ parentChainId }: WantedLayer): Promise<void> {
    if (parentChainId === undefined) return Promise.resolve();
    const fetches = [...this.#running].filter(([key]) => key.startsWith(parentChainId));
    return Promise.all(fetches.map(([, fetch]) => fetch.done)).then(() => undefined);
  }

  #forget(layer: WantedLayer, fetch: Fetch): void {
    const key = layer.chainId + layer.digest;
    if (this.#running.get(key) === fetch) this.#running.delete(key);
  }
}
