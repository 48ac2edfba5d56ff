import { writeSync } from "node:fs";

/** A parent that waits for readiness passes the number of a pipe's descriptor in this variable. */
const READY_FD = "GANTRY_READY_FD";

/** The first of these signals that comes; none of them ends the process any more. */
export function signalled(...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of signals) process.once(signal, () => resolve(signal));
  return promise;
}

/** The descriptor of a waiting parent, to be handed on to whoever serves in this process's place, as number 3. */
export function readyDescriptor(): number | "ignore" {
  const fd = process.env[READY_FD];
  if (fd === undefined || !/^\d+$/.test(fd)) return "ignore";
  process.env[READY_FD] = "3";
  return Number(fd);
}

/** Tell a waiting parent, if there is one, that requests are answered now; `where` may say at which URL. */
export function announceReady(where = "ready"): void {
  const fd = process.env[READY_FD];
  delete process.env[READY_FD];
  if (fd !== undefined && /^\d+$/.test(fd)) writeSync(Number(fd), `${where}\n`);
}
