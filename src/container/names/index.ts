import { randomInt } from "node:crypto";
import { ADJECTIVES, SURNAMES } from "./words.ts";

const VALID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** True for what a container may be called: two or more of letters, digits, "_", "." and "-", the first a letter or digit. */
export function isValidName(name: string): boolean {
  return VALID.test(name);
}

/**
 * A made-up name such as "patient_lovelace". `attempt` counts from 0 how many names were already found taken: each
 * later one carries a number from a ten times larger range, so that some attempt always finds a free name.
 */
export function generateName(attempt: number): string {
  const suffix = attempt === 0 ? "" : String(randomInt(10 ** Math.min(attempt, 12)));
  return `${oneOf(ADJECTIVES)}_${oneOf(SURNAMES)}${suffix}`;
}

function oneOf(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? "";
}
