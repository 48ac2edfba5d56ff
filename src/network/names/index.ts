export { parseLink, viewOf } from "./view.ts";
export { createZones, type Zones } from "./zones.ts";
