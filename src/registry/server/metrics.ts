import type { TargetKind } from "./http/target.ts";

const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60] as const;

/** Counts of what a registry does, in the text format of Prometheus (exposition format 0.0.4). */
export class Metrics {
  readonly #counters = new Map<string, number>();
  readonly #help = new Map<string, string>();
  readonly #durations = new Map<string, { buckets: number[]; sum: number; count: number }>();

  /** Add to a counter. `name` is without prefix; `labels` are few and from a fixed set, never from a client. */
  add(name: string, help: string, labels: Readonly<Record<string, string>>, value = 1): void {
    this.#help.set(name, help);
    const key = `gantry_registry_${name}${braces(labels)}`;
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + value);
  }

  request(route: TargetKind | "none", method: string, status: number, seconds: number): void {
    this.add("requests_total", "Requests answered.", {
      route,
      method: knownMethod(method),
      status: String(status),
    });
    const key = `route="${route}"`;
    const histogram = this.#durations.get(key) ?? { buckets: SECONDS.map(() => 0), sum: 0, count: 0 };
    for (const [at, bound] of SECONDS.entries())
      if (seconds <= bound) histogram.buckets[at] = (histogram.buckets[at] ?? 0) + 1;
    histogram.sum += seconds;
    histogram.count++;
    this.#durations.set(key, histogram);
  }

  /** All counters, and `gauges` as they are now (name to help and value). */
  text(gauges: Readonly<Record<string, readonly [string, number]>>): string {
    const lines: string[] = [];
    const head = (name: string, help: string, type: string) => {
      lines.push(`# HELP gantry_registry_${name} ${help}`, `# TYPE gantry_registry_${name} ${type}`);
    };
    for (const [name, help] of this.#help) {
      head(name, help, "counter");
      for (const [key, value] of this.#counters) {
        if (key.replace(/\{.*/, "") === `gantry_registry_${name}`) lines.push(`${key} ${value}`);
      }
    }
    head("request_seconds", "Time to answer a request, body included.", "histogram");
    for (const [labels, { buckets, sum, count }] of this.#durations) {
      const series = "gantry_registry_request_seconds";
      for (const [at, bound] of SECONDS.entries()) {
        lines.push(`${series}_bucket{${labels},le="${bound}"} ${buckets[at]}`);
      }
      lines.push(`${series}_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`${series}_sum{${labels}} ${sum}`, `${series}_count{${labels}} ${count}`);
    }
    for (const [name, [help, value]] of Object.entries(gauges)) {
      head(name, help, "gauge");
      lines.push(`gantry_registry_${name} ${value}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

function braces(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** A client may send any word; a label takes those of the protocol only. */
const knownMethod = (method: string) =>
  ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].includes(method) ? method : "other";
