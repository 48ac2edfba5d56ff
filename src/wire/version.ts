declare const GANTRY_COMMIT: string;
declare const GANTRY_COMMIT_TIME: string;

/** Of this release, and of the Engine API that it speaks. */
export const PLATFORM = "Gantry";
export const ENGINE_VERSION = "0.1.0";
export const API_VERSION = "1.51";
export const MIN_API_VERSION = "1.24";
/** Of the sources, shortened, and its time by RFC 3339; the build puts them in, and a run from the sources has none. */
export const GIT_COMMIT = typeof GANTRY_COMMIT === "undefined" ? "" : GANTRY_COMMIT;
export const BUILD_TIME = typeof GANTRY_COMMIT_TIME === "undefined" ? "" : GANTRY_COMMIT_TIME;
