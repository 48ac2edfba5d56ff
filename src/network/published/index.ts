export { createHeldPorts, type HeldPorts, type PortTarget } from "./held-ports.ts";
export { createHostForwarding, type HostForwarding } from "./host-forwarding.ts";
export { opened, portMap, translated } from "./port-map.ts";
export { type PortRequest, parsePortKey, parsePorts } from "./requests.ts";
