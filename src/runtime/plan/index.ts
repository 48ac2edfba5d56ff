export { encodePlan } from "./encode.ts";
export { operationName } from "./format.ts";
export type * from "./operations.ts";
