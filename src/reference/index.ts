export {
  DEFAULT_REGISTRY,
  familiarName,
  familiarString,
  isTag,
  parseReference,
  type Reference,
  withDefaultTag,
} from "./reference.ts";
