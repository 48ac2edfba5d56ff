export { LayerMeter, layerId, layerMessage } from "./messages.ts";
export { progressOf, type Report } from "./stream.ts";
