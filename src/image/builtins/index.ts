export { BUILTIN_NAMES, type BuiltinSources, builtinImagesIn, writeBuiltinImages } from "./write.ts";
