export { allocateEndpoint, namesOf } from "./allocate.ts";
export { closeSandbox } from "./close.ts";
export { isExtraHost } from "./files.ts";
export { gatewayOrder, gatewayText } from "./gateways.ts";
export { kindOf, namesKey, openSandbox, operationsOf } from "./open.ts";
export { changePorts } from "./port-changes.ts";
export { holdPorts, portTarget, routedTarget } from "./ports.ts";
export { finishSandbox, makeLink, openNames, plugEndpoint, unplugEndpoint } from "./running.ts";
