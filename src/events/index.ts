export { createEventLog, type EventLog, type EventQuery } from "./log.ts";
