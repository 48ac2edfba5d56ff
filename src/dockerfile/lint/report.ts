import type { Location } from "../location.ts";

/** Takes what a rule finds. */
export type Report = (rule: string, message: string, location: Location) => void;
