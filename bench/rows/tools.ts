/** The machine's own programs, seen through a mount; some want a place for their files, which they remove. */
export const TOOLS = ["-v", "/:/host:ro", "-v", "/var/tmp:/host/tmp"];
