export { validateHealth } from "./config.ts";
export { stopHealth, watchHealth } from "./monitor.ts";
