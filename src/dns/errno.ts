import { constants } from "node:os";

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** "EADDRINUSE" of 98. */
export const errnoName = (number: number): string => NAMES.get(number) ?? `errno ${number}`;
