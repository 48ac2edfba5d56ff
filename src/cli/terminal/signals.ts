/** Signals that a client passes on to the container it is attached to: those that ask a program for something. */
const PROXIED = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGALRM",
] as const;

/** Send every signal we get to the container instead of dying of it. Gives what ends that. */
export function proxySignals(send: (signal: string) => Promise<unknown>): () => void {
  const listeners = PROXIED.map((signal) => {
    // A container that has ended meanwhile cannot be signalled.
    const listener = () => void send(signal).catch(() => undefined);
    process.on(signal, listener);
    return { signal, listener };
  });
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
}
