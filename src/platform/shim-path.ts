import { join } from "node:path";

/**
 * Where the native helper lies when Gantry runs from its sources (tests, benchmarks): native/build/gantry-shim.
 * The compiled file carries the helper inside itself and unpacks it at the daemon's start.
 */
export function sourceTreeShimPath(): string {
  return process.env.GANTRY_SHIM ?? join(import.meta.dirname, "../../native/build/gantry-shim");
}
