/** Whether a context is fetched from an address, a git repository or a file, and is no folder (docs.docker.com/build/concepts/context). */
export const isContextAddress = (place: string): boolean =>
  /^(https?:\/\/|git:\/\/|ssh:\/\/|git@|(github|gitlab)\.com\/)/.test(place);
