/**
 * What drains have in common: how many messages they pass, and what the function returns that they call
 * with memory which is valid during the call only. Internal: used by channel and topic.
 */

import { checkNumber } from "../layout/arguments.ts";

/** More than a drain ever finds. `Infinity` is not a small integer: it would allocate in each call. */
export const MANY = 2 ** 30;

/** Accepts how many messages a drain passes at most. */
export function checkMax(value: unknown, name: string): number {
  const max = checkNumber(value, name);
  if (!(max >= 1)) throw new RangeError(`max ${max} is not 1 or more`);
  return Math.min(max, MANY);
}

/** Anything but a promise. */
export type VisitResult =
  | void
  | null
  | boolean
  | number
  | bigint
  | string
  | symbol
  | (object & { readonly then?: never });

/**
 * Throws if a function of the caller, called `name`, returned a promise, even one of another realm or
 * library. `instead` says what else to do.
 */
export function refusePromise(
  returned: unknown,
  name = "visit",
  instead = "copy it, or use receive() or for await",
): void {
  if (returned === null || (typeof returned !== "object" && typeof returned !== "function")) return;
  if (typeof (returned as { readonly then?: unknown }).then !== "function") return;
  throw new TypeError(
    `${name} returned a promise, and what it was given is valid during the call only: ${instead}`,
  );
}
