export {
  DEFAULT_REGISTRY,
  familiarName,
  familiarString,
  isImageIdPrefix,
  isTag,
  parseDigest,
  parseReference,
  type Reference,
  withDefaultTag,
} from "./reference.ts";
