export { BUILTIN_NAMES, type BuiltinSources, writeBuiltinImages } from "./write.ts";
