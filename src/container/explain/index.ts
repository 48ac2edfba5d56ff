export { explainContainer, explainRequest } from "./explain.ts";
