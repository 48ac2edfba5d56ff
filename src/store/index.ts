export { type Migration, openStore, type Store } from "./store.ts";
