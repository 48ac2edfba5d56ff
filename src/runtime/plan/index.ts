export { type DecodedOperation, type DecodedPlan, decodePlan } from "./decode.ts";
export { encodePlan } from "./encode.ts";
export { OPERATIONS, operationName, type Phase } from "./format.ts";
export type * from "./operations.ts";
export { meaningOf, type OperationMeaning } from "./system-calls.ts";
