export { KeySequence, parseDetachKeys } from "./detach-keys.ts";
export { formatGoDuration, humanDuration, parseGoDuration, requireGoDuration } from "./duration.ts";
export {
  formatIp,
  formatPrefix,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  ipBits,
  ipBytes,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixSize,
} from "./ip.ts";
export { parseJsonExactly } from "./json.ts";
export { parseSignal } from "./signal.ts";
export { binarySize, humanSize, parseBytes, parseDecimalBytes } from "./size.ts";
export { formatTimestamp, formatTimestampFixed, parseRfc3339, parseTimestamp, ZERO_TIME } from "./time.ts";
